/** A provider's gateway on blocks in memory, asked as over the wire. */
import { ContentGateway } from "../../lib/provider/content/gateway.ts";
import { GatewayPlaces } from "../../lib/provider/content/gateway_places.ts";
import type { Answer } from "../../lib/provider/http/request.ts";
import { failureOf } from "../../lib/provider/http/failure.ts";
import { asKhachapuriError } from "../../lib/errors.ts";
import { type AskedRequest, requestOf, responseOf } from "../answers.ts";
import { type ManualClock, manualClock } from "../clock.ts";
import { KeptBlocks } from "./kept_blocks.ts";

export interface AskedGateway {
  readonly kept: KeptBlocks;
  readonly clock: ManualClock;
  readonly places: GatewayPlaces;
  /** What comes of a request, refusals too; @param path below /ipfs/ */
  answer(path: string, init?: AskedRequest, address?: string): Promise<Answer>;
  /** The same as a client sees it; reading its body fails where the answer was cut off. */
  ask(path: string, init?: AskedRequest): Promise<Response>;
  /** The bytes of an answer that must be given. */
  bytes(path: string, init?: AskedRequest): Promise<Uint8Array>;
}

export function askGateway(kept: KeptBlocks = new KeptBlocks()): AskedGateway {
  const clock = manualClock();
  const places = new GatewayPlaces();
  const gateway = new ContentGateway({ blocks: kept, places, clock });
  const answer = async (path: string, init: AskedRequest = {}, address?: string) => {
    const url = new URL("https://provider.test/");
    const request = requestOf(url, init);
    const [, query = null] = path.split("?");
    const sender = address ? { ...request.sender, address } : request.sender;
    const target = { path: `/ipfs/${path.split("?")[0]}`, query };
    return await gateway.answer({ ...request, ...target, sender }).catch((thrown) =>
      failureOf(asKhachapuriError(thrown))
    );
  };
  const ask = async (path: string, init?: AskedRequest) => responseOf(await answer(path, init));
  return {
    kept,
    clock,
    places,
    answer,
    ask,
    async bytes(path, init) {
      const response = await ask(path, init);
      if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
      return await response.bytes();
    },
  };
}

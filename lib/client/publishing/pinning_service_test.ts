import assert from "node:assert/strict";
import { startGateway } from "../../../worlds/ipfs/gateway.ts";
import { type PinningOptions, startPinningService } from "../../../worlds/ipfs/pinning_service.ts";
import { formatCid } from "../../cid.ts";
import { importFile } from "../../ipfs/dag.ts";
import { PIN_TIMEOUT_MS } from "../../limits_of_content.ts";
import { pinningService } from "./pinning_service.ts";
import { gatewayReadBack } from "./read_back.ts";

const TOKEN = "s3cret";
const DAG = importFile(new Uint8Array(1_000).fill(5));
const ORIGIN = "/ip4/192.0.2.7/tcp/4001/p2p/12D3KooWExample";
const silent = { onSent() {} };

/** A service that has the content, and its client, whose clock goes as it waits. */
async function open(options: Partial<PinningOptions> = {}, hasContent = true) {
  await using stack = new AsyncDisposableStack();
  const gateway = stack.use(await startGateway());
  if (hasContent) await gateway.put(DAG.blocks);
  const service = stack.use(
    startPinningService({ token: TOKEN, gateway: gateway.url, ...options }),
  );
  const waits: number[] = [];
  let now = 0;
  const wait = (ms: number) => Promise.resolve(void (waits.push(ms), now += ms));
  const client = (token = TOKEN) =>
    pinningService(
      { url: service.url, token },
      () => Promise.resolve([ORIGIN]),
      gatewayReadBack([gateway.url], wait),
      { now: () => now, wait },
    );
  const owned = stack.move();
  return { service, waits, client, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

Deno.test("a pin is asked for with its origins, and waited for until it is there", async () => {
  await using world = await open();
  await world.client().publish(DAG, silent);
  const cid = formatCid(DAG.root);
  assert.deepEqual(world.service.asked, [{ cid, name: `khachapuri ${cid}`, origins: [ORIGIN] }]);
  assert.deepEqual(world.waits, [500, 1_000]);
});

Deno.test("a pin that fails, or takes too long, is a failure with what to do", async () => {
  {
    await using world = await open({}, false);
    await assert.rejects(world.client().publish(DAG, silent), {
      code: "ipfs_unavailable",
      message: /could not pin it: no provider was found/,
    });
  }
  await using slow = await open({ statuses: ["queued"] });
  await assert.rejects(slow.client().publish(DAG, silent), {
    code: "ipfs_unavailable",
    message: /has not pinned it within 120 s: it is queued/,
  });
  const waited = slow.waits.reduce((sum, ms) => sum + ms, 0);
  assert.ok(waited <= PIN_TIMEOUT_MS && waited > PIN_TIMEOUT_MS / 2, `${waited} ms`);
});

Deno.test("a token that is not taken is said so in the service's words, without the token", async () => {
  await using world = await open();
  await assert.rejects(world.client("wr0ng").publish(DAG, silent), {
    code: "access_denied",
    message: /wants another key \(HTTP 401\): UNAUTHORIZED: access token is missing or invalid$/,
  });
  const readBack = () => Promise.resolve();
  const service = { url: "http://pins.example", token: TOKEN };
  const world2 = { now: () => 0, wait: () => Promise.resolve() };
  assert.throws(() => pinningService(service, () => Promise.resolve([]), readBack, world2), {
    code: "invalid_config",
  });
});

/**
 * Pushing a DAG to a provider (`POST /ipfs`, docs/protocol.md): signed by the owner, resumed where
 * a connection broke, and read back from the provider's own gateway where that is public.
 */
import type { Address, LocalAccount } from "viem";
import * as v from "valibot";
import { type CidText, formatCid } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { carBytes, carParts } from "../../ipfs/car.ts";
import type { Dag } from "../../ipfs/dag.ts";
import { PUBLISHED_ANSWER_BYTES_MAX } from "../../limits_of_content.ts";
import type { EscrowDomain } from "../../permit.ts";
import { pause } from "../../pause.ts";
import { parseJson, parseShape } from "../../shape.ts";
import { quotedWord } from "../../shell_word.ts";
import { PUSH_SECONDS, pushAuthorization, signPush } from "../../spec/push.ts";
import { whyUnreachable } from "../../unreachable.ts";
import { NO_BODY, type Upload, upload, type UploadAnswer } from "../../upload.ts";
import { refusalOf } from "../provider_http.ts";
import type { Destination, PublishingOptions } from "./destination.ts";
import { fetchDag } from "./fetch_dag.ts";

/** A provider that takes pushes. */
export interface PushTarget extends EscrowDomain {
  /** Its ENS name. */
  name: string;
  webDomain: string;
  address: Address;
  /** Whether everybody may read what it keeps. */
  isPublic: boolean;
}

export interface PushWorld {
  /** Unix ms. */
  now(): number;
  wait(ms: number): Promise<void>;
}

/** Between one attempt and the next; a connection that breaks once more is given up. */
const RETRY_PAUSES_MS: readonly number[] = [200, 1_000, 3_000];
/** From this size on it is asked first what is there from an earlier attempt. */
const RESUMED_BYTES = 1024 * 1024;

const CAR_TYPE = "application/vnd.ipld.car";

const keptShape = v.object({ root: v.string() });

export function providerPush(
  account: LocalAccount,
  target: PushTarget,
  world: PushWorld = { now: () => Date.now(), wait: pause },
): Destination {
  return {
    name: target.name,
    flags: `--to ${quotedWord(target.name)}`,
    reach: "provider",
    order: "first",
    async publish(dag, options) {
      const push = new Push(account, target, dag, world, options);
      await push.send();
      await push.readBack();
    },
  };
}

/** One DAG on its way to one provider. */
class Push {
  readonly #root: CidText;
  readonly #bytes: number;

  constructor(
    private readonly account: LocalAccount,
    private readonly target: PushTarget,
    private readonly dag: Dag,
    private readonly world: PushWorld,
    private readonly options: PublishingOptions,
  ) {
    this.#root = formatCid(dag.root);
    this.#bytes = carBytes(dag);
  }

  /** Sends what is not there yet, again where a connection breaks. */
  async send(): Promise<void> {
    const { signal } = this.options;
    let offset = this.#bytes < RESUMED_BYTES ? 0 : await this.#offset().catch(() => 0);
    for (const pauseMs of [...RETRY_PAUSES_MS, null]) {
      try {
        return await this.#post(offset);
      } catch (error) {
        signal?.throwIfAborted();
        if (pauseMs === null || !(error instanceof Broken)) throw this.#told(error);
      }
      await this.world.wait(pauseMs);
      offset = await this.#offset().catch(() => 0);
    }
  }

  /**
   * @throws KhachapuriError `ipfs_mismatch`, `not_found`, `ipfs_unavailable`;
   *   `provider_unavailable` when it is not all there
   */
  async readBack(): Promise<void> {
    const { webDomain, isPublic } = this.target;
    const { signal } = this.options;
    if (isPublic) {
      const bytesMax = this.#bytes;
      // What no deployment uses yet is given to its owner alone.
      const authorization = await this.#authorization();
      const gateways = [webDomain];
      return void await fetchDag(this.dag.root, { gateways, bytesMax, authorization, signal });
    }
    const there = await this.#offset().catch((error) => {
      throw this.#told(error);
    });
    if (there === this.#bytes) return;
    const message = `${webDomain} has ${there} of the ${this.#bytes} bytes of ${this.#root}`;
    throw new KhachapuriError("provider_unavailable", message);
  }

  /** How many of the CAR's bytes are there, in whole verified blocks. */
  async #offset(): Promise<number> {
    const answer = await this.#request({ method: "HEAD", body: NO_BODY, headers: {} });
    const said = answer.headers["upload-offset"];
    const offset = typeof said === "string" && /^\d+$/.test(said) ? Number(said) : NaN;
    if (answer.status === 200 && offset <= this.#bytes) return offset;
    throw refusalOf(this.target.webDomain, answer.status, answer.bytes);
  }

  /** @throws Broken when it may be tried again; KhachapuriError when it is refused */
  async #post(offset: number): Promise<void> {
    const { webDomain } = this.target;
    const answer = await this.#request({
      method: "POST",
      headers: {
        "content-type": CAR_TYPE,
        ...(offset === 0 ? {} : { "upload-offset": String(offset) }),
      },
      body: {
        bytes: this.#bytes - offset,
        parts: partsFrom(carParts(this.dag), offset),
        onSent: (bytes) => this.options.onSent(offset + bytes),
      },
      isExpecting: true,
    });
    const { status, bytes } = answer;
    if (status !== 200 && status !== 201) throw refusalOf(webDomain, status, bytes);
    const what = `${webDomain}/ipfs`;
    const json = parseJson(new TextDecoder().decode(bytes), what, "provider_unavailable");
    const { root } = parseShape(keptShape, json, what, "provider_unavailable");
    if (root !== this.#root) {
      throw new KhachapuriError("ipfs_mismatch", `${what} keeps ${root}, not ${this.#root}`);
    }
    // Also where it was all there and no byte went out.
    this.options.onSent(this.#bytes);
  }

  /** Signed anew each time, as a provider takes no push twice. */
  async #authorization(): Promise<string> {
    const { chainId, escrow, address: provider } = this.target;
    return pushAuthorization(
      await signPush(this.account, {
        chainId,
        escrow,
        provider,
        root: this.#root,
        bytes: BigInt(this.#bytes),
        // Clocks differ, in either direction.
        expires: BigInt(Math.floor(this.world.now() / 1000)) + PUSH_SECONDS / 2n,
        nonce: `0x${crypto.getRandomValues(new Uint8Array(32)).toHex()}`,
      }),
    );
  }

  async #request(
    request: Pick<Upload, "method" | "headers" | "body" | "isExpecting">,
  ): Promise<UploadAnswer> {
    const { webDomain } = this.target;
    const authorization = await this.#authorization();
    try {
      return await upload({
        ...request,
        url: new URL(`${webDomain}/ipfs`),
        headers: { ...request.headers, authorization },
        answerBytesMax: PUBLISHED_ANSWER_BYTES_MAX,
        signal: this.options.signal,
      });
    } catch (cause) {
      this.options.signal?.throwIfAborted();
      throw new Broken(cause);
    }
  }

  #told(thrown: unknown): unknown {
    if (!(thrown instanceof Broken)) return thrown;
    const { webDomain } = this.target;
    const why = whyUnreachable(thrown.cause);
    return new KhachapuriError("provider_unavailable", `${webDomain} did not take it: ${why}`, {
      cause: thrown.cause,
      hints: ["what came through stays there for a while: try again, and it goes on from there"],
    });
  }
}

/** A connection that broke before there was an answer. */
class Broken extends Error {
  constructor(cause: unknown) {
    super("the connection broke", { cause });
  }
}

/** The same bytes without the first `offset`. */
function* partsFrom(parts: Iterable<Uint8Array>, offset: number): Iterable<Uint8Array> {
  let left = offset;
  for (const part of parts) {
    const skipped = Math.min(left, part.length);
    left -= skipped;
    if (skipped < part.length) yield part.subarray(skipped);
  }
}

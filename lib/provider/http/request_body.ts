/** The caller's body on its way to the program: bounded, and hashed where a receipt names it. */
import { createHash } from "node:crypto";
import type { Hex } from "viem";
import { KhachapuriError } from "../../errors.ts";
import {
  BODY_REST_TIMEOUT_MS,
  BODY_WHOLE_TIMEOUT_MS,
  PAYER_BODIES_PART,
  REQUEST_BODY_BYTES_MAX,
} from "../../limits.ts";
import { within } from "../../within.ts";

export interface RequestBody {
  readonly stream: ReadableStream<Uint8Array> | null;
  /** Whether `hash` waits for nothing. */
  isWhole(): boolean;
  /** The error once more than the limit has come in. */
  overflow(): KhachapuriError | null;
  /**
   * sha256 of the whole body, what the program left unread included; null when the rest does not
   * come in time, or when nobody asked for a hash.
   */
  hash(): Promise<Hex | null>;
}

/**
 * Meters a body that may not say its length.
 * @param onOverflow called when more than the limit has come in
 */
export function meterBody(
  body: ReadableStream<Uint8Array> | null,
  isHashed: boolean,
  onOverflow: () => void,
): RequestBody {
  const reader = body?.getReader() ?? null;
  const digest = isHashed ? createHash("sha256") : null;
  let overflow: KhachapuriError | null = null;
  let bytes = 0;
  let isWhole = reader === null;

  async function next(): Promise<Uint8Array | null> {
    const { value } = await reader!.read();
    if (!value) {
      isWhole = true;
      return null;
    }
    bytes += value.length;
    if (bytes > REQUEST_BODY_BYTES_MAX) {
      overflow = bodyTooLarge();
      onOverflow();
      reader!.cancel().catch(() => {});
      throw overflow;
    }
    digest?.update(value);
    return value;
  }

  async function readRest(): Promise<void> {
    while (!isWhole && await next() !== null);
  }

  return {
    stream: reader && new ReadableStream<Uint8Array>({
      async pull(controller) {
        const chunk = await next();
        if (chunk) controller.enqueue(chunk);
        else controller.close();
      },
      // A program that reads no more leaves the rest to the hash.
      cancel: () => digest ? undefined : reader.cancel(),
    }, { highWaterMark: 0 }),
    isWhole: () => digest === null || isWhole,
    overflow: () => overflow,
    async hash() {
      if (!digest) return null;
      if (!isWhole) await within(readRest().catch(() => {}), BODY_REST_TIMEOUT_MS);
      if (isWhole) return `0x${digest.digest("hex")}`;
      reader!.cancel().catch(() => {});
      return null;
    },
  };
}

/** A body that has arrived: the program gets it whole, or it does not start. */
export interface WholeBody extends RequestBody {
  readonly sha256: Hex;
  readonly bytes: number;
  /** Its memory is free again; calling it again does nothing. */
  free(): void;
}

/** @param payer whose share of the memory it takes */
export type ReadBody = (
  body: ReadableStream<Uint8Array> | null,
  payer: string,
) => Promise<WholeBody>;

/** Reads bodies to their end, holding at most `bytesMax` at a time. */
export function createBodyReader(bytesMax: number, timeoutMs = BODY_WHOLE_TIMEOUT_MS): ReadBody {
  let held = 0;
  const heldBy = new Map<string, number>();

  function hold(payer: string, bytes: number): void {
    held += bytes;
    const own = (heldBy.get(payer) ?? 0) + bytes;
    if (own > 0) heldBy.set(payer, own);
    else heldBy.delete(payer);
  }

  /**
   * @throws KhachapuriError `body_too_large`, `overloaded`, `invalid_input` when the caller hung up
   * or is too slow
   */
  return async (body, payer) => {
    const chunks: Uint8Array[] = [];
    const digest = createHash("sha256");
    let bytes = 0;
    let isFree = false;
    function free(): void {
      if (!isFree) hold(payer, -bytes);
      isFree = true;
    }
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(tooSlow()), timeoutMs);
    try {
      for await (const chunk of body?.pipeThrough(passing(), late) ?? []) {
        bytes += chunk.length;
        hold(payer, chunk.length);
        if (bytes > REQUEST_BODY_BYTES_MAX) throw bodyTooLarge();
        if (held > bytesMax || heldBy.get(payer)! > Math.max(bytes, bytesMax / PAYER_BODIES_PART)) {
          throw tooManyBodies();
        }
        digest.update(chunk);
        chunks.push(chunk);
      }
    } catch (error) {
      free();
      throw error instanceof KhachapuriError ? error : hungUp();
    } finally {
      clearTimeout(timer);
    }
    const sha256: Hex = `0x${digest.digest("hex")}`;
    const stream = body && new ReadableStream<Uint8Array>({
      pull(controller) {
        const chunk = chunks.shift();
        if (chunk) controller.enqueue(chunk);
        else controller.close();
      },
    });
    const hash = () => Promise.resolve(sha256);
    return { stream, isWhole: () => true, overflow: () => null, sha256, bytes, free, hash };
  };
}

const passing = () => new TransformStream<Uint8Array, Uint8Array>();

function tooSlow(): KhachapuriError {
  return new KhachapuriError("invalid_input", "the request body did not arrive in time");
}

function tooManyBodies(): KhachapuriError {
  return new KhachapuriError("overloaded", "too many large requests at a time", {
    retryAfterSeconds: 2,
  });
}

export function bodyTooLarge(): KhachapuriError {
  const limit = `a request body has at most ${REQUEST_BODY_BYTES_MAX} bytes`;
  return new KhachapuriError("body_too_large", limit, { data: { limit: REQUEST_BODY_BYTES_MAX } });
}

/** The caller pays nothing for what it did not wait for. */
export function hungUp(): KhachapuriError {
  return new KhachapuriError("invalid_input", "the caller hung up before the program started");
}

/** The caller's body on its way to the program: bounded, and hashed where a receipt names it. */
import { createHash } from "node:crypto";
import type { Hex } from "viem";
import { type ByteSource, chunksSource } from "../../../sandbox/byte_source.ts";
import { asKhachapuriError, KhachapuriError } from "../../errors.ts";
import {
  BODY_REST_TIMEOUT_MS,
  BODY_WHOLE_TIMEOUT_MS,
  PAYER_BODIES_PART,
  REQUEST_BODY_BYTES_MAX,
} from "../../limits.ts";
import { within } from "../../within.ts";

export interface RequestBody {
  readonly source: ByteSource | null;
  /** Whether `hash` waits for nothing. */
  isWhole(): boolean;
  /** Why it never became whole: too much of it came, or it broke off; null until then. */
  failure(): KhachapuriError | null;
  /**
   * sha256 of the whole body, what the program left unread included; null when the rest does not
   * come in time, or when nobody asked for a hash.
   */
  hash(): Promise<Hex | null>;
}

/**
 * Meters a body that may not say its length.
 * @param onFailure called once when more than the limit has come in, or it breaks off
 */
export function meterBody(
  body: ByteSource | null,
  isHashed: boolean,
  onFailure: () => void,
): RequestBody {
  const digest = isHashed ? createHash("sha256") : null;
  let failure: KhachapuriError | null = null;
  let bytes = 0;
  let isWhole = body === null;

  function fail(thrown: unknown): KhachapuriError {
    if (failure) return failure;
    failure = asKhachapuriError(thrown);
    onFailure();
    body!.cancel();
    return failure;
  }

  async function next(): Promise<Uint8Array | null> {
    if (failure) throw failure;
    const chunk = await body!.read().catch((thrown) => {
      throw fail(thrown);
    });
    if (chunk === null) {
      isWhole = true;
      return null;
    }
    bytes += chunk.length;
    if (bytes > REQUEST_BODY_BYTES_MAX) throw fail(bodyTooLarge());
    digest?.update(chunk);
    return chunk;
  }

  async function readRest(): Promise<void> {
    while (!isWhole && await next() !== null);
  }

  return {
    source: body && {
      read: next,
      // A program that reads no more leaves the rest to the hash.
      cancel: () => digest ? undefined : body.cancel(),
    },
    isWhole: () => digest === null || isWhole,
    failure: () => failure,
    async hash() {
      if (!digest || failure) return null;
      if (!isWhole) await within(readRest().catch(() => {}), BODY_REST_TIMEOUT_MS);
      if (isWhole && !failure) return `0x${digest.digest("hex")}`;
      body!.cancel();
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
  body: ByteSource | null,
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
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      body?.cancel();
    }, timeoutMs);
    try {
      for (let chunk; (chunk = await body?.read() ?? null) !== null;) {
        bytes += chunk.length;
        hold(payer, chunk.length);
        if (bytes > REQUEST_BODY_BYTES_MAX) throw bodyTooLarge();
        if (held > bytesMax || heldBy.get(payer)! > Math.max(bytes, bytesMax / PAYER_BODIES_PART)) {
          throw tooManyBodies();
        }
        digest.update(chunk);
        chunks.push(chunk);
      }
      if (isLate) throw tooSlow();
    } catch (error) {
      free();
      throw error;
    } finally {
      clearTimeout(timer);
    }
    const sha256: Hex = `0x${digest.digest("hex")}`;
    const source = body && chunksSource(chunks);
    const hash = () => Promise.resolve(sha256);
    return { source, isWhole: () => true, failure: () => null, sha256, bytes, free, hash };
  };
}

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

/** The caller's body on its way to the program: bounded, and hashed where a receipt names it. */
import { createHash } from "node:crypto";
import type { Hex } from "viem";
import { type ByteSource, chunksSource } from "../../byte_source.ts";
import type { Clock } from "../../clock.ts";
import { asKhachapuriError, KhachapuriError } from "../../errors.ts";
import {
  BODY_REST_TIMEOUT_MS,
  BODY_WHOLE_TIMEOUT_MS,
  PAYER_BODIES_PART,
  WHOLE_BODY_BYTES_MAX,
} from "../../limits.ts";
import { within } from "../../within.ts";
import { Patience } from "./patience.ts";

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

export interface Metering {
  /** The most that it may have. */
  readonly bytesMax: number;
  readonly isHashed: boolean;
  /** Called once when more than that has come in, it breaks off, or comes too slowly. */
  onFailure(): void;
  /** Where its pace is looked at; somebody else's matter unless given. */
  readonly clock?: Clock;
}

/** sha256 of no bytes. */
const NO_BYTES: Hex = `0x${createHash("sha256").digest("hex")}`;

/** Meters a body that may not say its length. */
export function meterBody(
  body: ByteSource | null,
  { bytesMax, isHashed, onFailure, clock }: Metering,
): RequestBody {
  const digest = isHashed && body !== null ? createHash("sha256") : null;
  let failure: KhachapuriError | null = null;
  let bytes = 0;
  let isWhole = body === null;
  // A program that asks for no more of it waits for nobody.
  const patience = body && clock ? new Patience("sent the request body", () => clock.now()) : null;
  const unwatch = patience?.watch(clock!, (why) => fail(tooSlow(why)));

  function fail(thrown: unknown): KhachapuriError {
    if (failure) return failure;
    failure = asKhachapuriError(thrown);
    unwatch?.();
    onFailure();
    body!.cancel();
    return failure;
  }

  async function next(): Promise<Uint8Array | null> {
    if (failure) throw failure;
    patience?.wait();
    const chunk = await body!.read().catch((thrown) => {
      throw fail(thrown);
    });
    patience?.moved(chunk?.length ?? 0);
    // Who was given up for its pace has not come to its end.
    if (failure) throw failure;
    if (chunk === null) {
      isWhole = true;
      unwatch?.();
      return null;
    }
    bytes += chunk.length;
    if (bytes > bytesMax) throw fail(bodyTooLarge(bytesMax));
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
      cancel() {
        unwatch?.();
        if (!digest) body.cancel();
      },
    },
    isWhole: () => digest === null || isWhole,
    failure: () => failure,
    async hash() {
      if (isHashed && body === null) return NO_BYTES;
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

/**
 * @param payer whose share of the memory it takes
 * @param announced how long it says to be; null: it does not say
 */
export type ReadBody = (
  body: ByteSource | null,
  payer: string,
  announced: number | null,
) => Promise<WholeBody>;

export interface BodyReading {
  /** Of all that are held at a time. */
  readonly heldBytesMax: number;
  /** Of one: WHOLE_BODY_BYTES_MAX, or less where less may stream. */
  readonly bytesMax: number;
  readonly timeoutMs?: number;
}

/** Reads bodies to their end. */
export function createBodyReader(
  { heldBytesMax, bytesMax, timeoutMs = BODY_WHOLE_TIMEOUT_MS }: BodyReading,
): ReadBody {
  const bodyBytesMax = Math.min(bytesMax, WHOLE_BODY_BYTES_MAX);
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
  return async (body, payer, announced) => {
    if (announced !== null && announced > bodyBytesMax) throw wholeTooLarge(bodyBytesMax);
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
        if (bytes > bodyBytesMax) throw wholeTooLarge(bodyBytesMax);
        const own = Math.max(bytes, heldBytesMax / PAYER_BODIES_PART);
        if (held > heldBytesMax || heldBy.get(payer)! > own) throw tooManyBodies();
        digest.update(chunk);
        chunks.push(chunk);
      }
      if (isLate) throw tooSlow("the request body did not arrive in time");
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

function tooSlow(why: string): KhachapuriError {
  return new KhachapuriError("invalid_input", why, {
    hints: ["what came of it is not taken for the whole; send it again"],
  });
}

function tooManyBodies(): KhachapuriError {
  return new KhachapuriError("overloaded", "too many large requests at a time", {
    retryAfterSeconds: 2,
  });
}

/** @param bytesMax what the provider takes */
export function bodyTooLarge(bytesMax: number): KhachapuriError {
  const text = `a request body has at most ${bytesMax} bytes`;
  return new KhachapuriError("body_too_large", text, { data: { limit: bytesMax } });
}

function wholeTooLarge(bytesMax: number): KhachapuriError {
  const text =
    `a request body that is read before its program starts has at most ${bytesMax} bytes`;
  return new KhachapuriError("body_too_large", text, {
    data: { limit: bytesMax },
    hints: ["it streams without an Idempotency-Key, when it says its length"],
  });
}

/** The caller pays nothing for what it did not wait for. */
export function hungUp(): KhachapuriError {
  return new KhachapuriError("invalid_input", "the caller hung up before the program started");
}

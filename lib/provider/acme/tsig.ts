/** Signatures of DNS messages by a secret that is shared with the server (RFC 8945). */
import { createHmac, timingSafeEqual } from "node:crypto";
import {
  bytesOf,
  CLASS,
  lastRecordAt,
  nameOctets,
  skipName,
  TYPE,
  uint16,
  uint32,
} from "./dns_octets.ts";

export interface TsigKey {
  readonly name: string;
  /** As the server names it, e.g. "hmac-sha256". */
  readonly algorithm: string;
  readonly secret: Uint8Array;
}

/** How far two clocks may be apart, seconds (section 10). */
const FUDGE_SECONDS = 300;

const ERRORS: Readonly<Record<number, string>> = {
  16: "the server has another secret for the key (BADSIG)",
  17: "the server knows no key of this name and algorithm (BADKEY)",
  18: "the server's clock is another one than ours (BADTIME)",
  22: "the server wants a longer signature (BADTRUNC)",
};

export interface Signed {
  readonly message: Uint8Array;
  readonly mac: Uint8Array;
}

/** @param seconds since the epoch */
export function sign(message: Uint8Array, key: TsigKey, seconds: number): Signed {
  const fields = { time: timeOctets(seconds), error: 0, other: new Uint8Array() };
  const mac = macOf(key, bytesOf(message, variablesOf(key, fields)));
  const data = bytesOf(
    nameOctets(key.algorithm),
    fields.time,
    uint16(FUDGE_SECONDS),
    uint16(mac.length),
    mac,
    message.subarray(0, 2),
    [0, 0, 0, 0],
  );
  const record = bytesOf(
    nameOctets(key.name),
    uint16(TYPE.TSIG),
    uint16(CLASS.ANY),
    [0, 0, 0, 0],
    uint16(data.length),
    data,
  );
  const signed = bytesOf(message, record);
  countAdditional(signed, 1);
  return { message: signed, mac };
}

/**
 * What is wrong with the signature of an answer; null: it is the server's own.
 * @param requestMac of what it answers
 */
export function signatureFault(
  answer: Uint8Array,
  key: TsigKey,
  requestMac: Uint8Array,
  seconds: number,
): string | null {
  const unsigned = "the answer is not signed: anybody could have sent it";
  try {
    const at = lastRecordAt(answer);
    const view = new DataView(answer.buffer, answer.byteOffset, answer.length);
    if (view.getUint16(10) === 0) return unsigned;
    const fixed = skipName(answer, at);
    if (view.getUint16(fixed) !== TYPE.TSIG) return unsigned;
    const start = skipName(answer, fixed + 10);
    const time = answer.subarray(start, start + 6);
    const macAt = start + 10;
    const macLength = view.getUint16(start + 8);
    const mac = answer.subarray(macAt, macAt + macLength);
    const rest = macAt + macLength;
    const error = view.getUint16(rest + 2);
    const other = answer.subarray(rest + 6, rest + 6 + view.getUint16(rest + 4));
    if (error !== 0) return ERRORS[error] ?? `the server refuses the signature (${error})`;
    // As it was signed: under the id that its sender gave it.
    const plain = bytesOf(answer.subarray(rest, rest + 2), answer.subarray(2, at));
    countAdditional(plain, -1);
    const signedPart = bytesOf(
      uint16(requestMac.length),
      requestMac,
      plain,
      variablesOf(key, { time, error, other }),
    );
    const expected = macOf(key, signedPart);
    if (mac.length !== expected.length || !timingSafeEqual(mac, expected)) {
      return "the answer's signature is wrong: somebody else answers, or changes what is said";
    }
    return Math.abs(secondsOf(time) - seconds) > FUDGE_SECONDS ? ERRORS[18]! : null;
  } catch (thrown) {
    if (thrown instanceof RangeError) return "the answer is no message of DNS";
    throw thrown;
  }
}

interface Fields {
  readonly time: Uint8Array;
  readonly error: number;
  readonly other: Uint8Array;
}

/** Section 4.3.3. */
function variablesOf({ name, algorithm }: TsigKey, { time, error, other }: Fields): Uint8Array {
  return bytesOf(
    nameOctets(name),
    uint16(CLASS.ANY),
    [0, 0, 0, 0],
    nameOctets(algorithm),
    time,
    uint16(FUDGE_SECONDS),
    uint16(error),
    uint16(other.length),
    other,
  );
}

function macOf({ algorithm, secret }: TsigKey, message: Uint8Array): Uint8Array {
  const hash = algorithm.replace(/^hmac-/, "");
  return new Uint8Array(createHmac(hash, secret).update(message).digest());
}

function timeOctets(seconds: number): Uint8Array {
  return bytesOf(uint16(Math.floor(seconds / 2 ** 32)), uint32(seconds % 2 ** 32));
}

function secondsOf(time: Uint8Array): number {
  return time.reduce((value, byte) => value * 256 + byte, 0);
}

function countAdditional(message: Uint8Array, more: number): void {
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  view.setUint16(10, view.getUint16(10) + more);
}

/** A range of a file's bytes as a gateway is asked for it (`entity-bytes` of the specification). */
import { KhachapuriError } from "../errors.ts";

/** First and last byte; negative ones count from the end, and null is the last there is. */
export interface AskedRange {
  readonly from: number;
  readonly to: number | null;
}

/** First and last byte, both within the file. */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

const RANGE = /^(-?[0-9]{1,19}):(-?[0-9]{1,19}|\*)$/;

/** @throws KhachapuriError `invalid_input` */
export function parseRange(text: string): AskedRange {
  const [, first, last] = RANGE.exec(text) ?? [];
  if (first === undefined || last === undefined) {
    throw new KhachapuriError("invalid_input", `${JSON.stringify(text)} is no range of bytes`, {
      hints: ["entity-bytes is from:to, as 0:1023, 1024:* or -1024:*; both bytes are included"],
    });
  }
  const [from, to] = [Number(first), last === "*" ? null : Number(last)];
  const isForward = to === null || from < 0 !== to < 0 || from <= to;
  if (isForward) return { from, to };
  throw new KhachapuriError("invalid_input", `the range ${text} ends before it begins`);
}

/**
 * The bytes that a file has of a range; null when it has none, although it is not wholly behind it.
 * @throws KhachapuriError `invalid_input` when the range begins behind the last byte
 */
export function rangeWithin({ from, to }: AskedRange, fileBytes: number): ByteRange | null {
  if (fileBytes > 0 && from >= fileBytes) {
    throw new KhachapuriError("invalid_input", `the file ends before byte ${from}`, {
      data: { fileBytes },
    });
  }
  const last = fileBytes - 1;
  const first = Math.max(0, from < 0 ? fileBytes + from : from);
  const end = to === null ? last : Math.min(last, to < 0 ? fileBytes + to : to);
  return first <= end ? { from: first, to: end } : null;
}

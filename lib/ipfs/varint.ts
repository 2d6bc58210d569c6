/** Unsigned varints of https://github.com/multiformats/unsigned-varint, as CARs use them. */
import { VARINT_BYTES_MAX } from "../limits.ts";

/** Appends `value` (an unsigned integer below 2^53) to `target`. */
export function pushVarint(target: number[], value: number): void {
  while (value >= 0x80) {
    target.push((value % 0x80) | 0x80);
    value = Math.floor(value / 0x80);
  }
  target.push(value);
}

/** `value` as a varint. */
export function encodeVarint(value: number): Uint8Array {
  const bytes: number[] = [];
  pushVarint(bytes, value);
  return Uint8Array.from(bytes);
}

/** What stands at the beginning of bytes. */
export type Varint =
  | { readonly kind: "whole"; readonly value: number; readonly length: number }
  | { readonly kind: "cut off" }
  | { readonly kind: "wrong"; readonly why: string };

/** The varint that bytes begin with, as short as it can be and no longer than lengths are. */
export function decodeVarint(bytes: ArrayLike<number>): Varint {
  let value = 0;
  for (let index = 0; index < Math.min(bytes.length, VARINT_BYTES_MAX); index++) {
    const byte = bytes[index]!;
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte === 0 && index > 0) return { kind: "wrong", why: "a varint is longer than needed" };
    if (byte < 0x80) return { kind: "whole", value, length: index + 1 };
  }
  if (bytes.length < VARINT_BYTES_MAX) return { kind: "cut off" };
  return { kind: "wrong", why: `a varint of more than ${VARINT_BYTES_MAX} bytes` };
}

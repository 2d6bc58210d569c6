/** Unsigned varints of https://github.com/multiformats/unsigned-varint, as CARs use them. */

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

/**
 * Which rows of a span are one party's. In postings each row is the distance from the one before,
 * seven bits a byte, the highest bit set where more follow (LEB128, as DWARF and WebAssembly have
 * it); a mask has a bit for each block of the span that has such a row.
 */

/** @param offsets of rows in their span, from 0, rising */
export function postingsOf(offsets: readonly number[]): Uint8Array {
  const bytes: number[] = [];
  let before = -1;
  for (const offset of offsets) {
    let distance = offset - before - 1;
    for (; distance > 0x7f; distance >>>= 7) bytes.push(distance & 0x7f | 0x80);
    bytes.push(distance);
    before = offset;
  }
  return Uint8Array.from(bytes);
}

/** What postings or a mask hold, as SQLite gives it. */
export type PartyRows = Uint8Array | number;

export function offsetsIn(postings: Uint8Array): number[] {
  const offsets: number[] = [];
  let [before, distance, shift] = [-1, 0, 0];
  for (const byte of postings) {
    distance |= (byte & 0x7f) << shift;
    shift += 7;
    if (byte > 0x7f) continue;
    before += distance + 1;
    offsets.push(before);
    [distance, shift] = [0, 0];
  }
  return offsets;
}

/** @param blockRows rows of a block */
export function maskOf(rows: PartyRows, blockRows: number): number {
  if (typeof rows === "number") return rows;
  let mask = 0;
  for (const offset of offsetsIn(rows)) mask |= 1 << Math.floor(offset / blockRows);
  return mask >>> 0;
}

/** The first block from `from` on that is in the mask; null: none is. */
export function nextBlock(mask: number, from: number): number | null {
  for (let block = from; block < 32; block++) if ((mask >>> block & 1) === 1) return block;
  return null;
}

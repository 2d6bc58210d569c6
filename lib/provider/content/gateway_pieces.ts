/**
 * A CAR in the pieces in which it is written: a large block by parts, small ones together, as each
 * piece is a frame of its own. No more than one large block is held at a time.
 */
import type { Block, CID } from "../../cid.ts";
import { carHeader, sectionHead } from "../../ipfs/car.ts";

/** A piece at most; half of it is written without waiting for more. */
const PIECE_BYTES = 256 * 1024;

/**
 * The CAR of `root` with these blocks. What came before a block that fails is passed on first.
 * @throws what `blocks` throws
 */
export async function* carPieces(
  root: CID,
  blocks: AsyncIterable<Block>,
): AsyncGenerator<Uint8Array> {
  let small: Uint8Array[] = [carHeader(root)];
  let smallBytes = small[0]!.length;
  try {
    for await (const block of blocks) {
      const head = sectionHead(block);
      small.push(head);
      smallBytes += head.length;
      if (block.bytes.length <= PIECE_BYTES / 2) {
        small.push(block.bytes);
        smallBytes += block.bytes.length;
        if (smallBytes < PIECE_BYTES / 2) continue;
      }
      yield joined(small, smallBytes);
      [small, smallBytes] = [[], 0];
      if (block.bytes.length > PIECE_BYTES / 2) yield* piecesOf(block.bytes);
    }
  } catch (error) {
    if (smallBytes > 0) yield joined(small, smallBytes);
    throw error;
  }
  if (smallBytes > 0) yield joined(small, smallBytes);
}

/** Parts of it, not copied. */
export function* piecesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const piece = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    piece.set(part, at);
    at += part.length;
  }
  return piece;
}

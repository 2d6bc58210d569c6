import assert from "node:assert/strict";
import { blocksOfCar } from "../../../worlds/ipfs/kept_blocks.ts";
import { type Block, cidOf, RAW } from "../../cid.ts";
import { carPieces, piecesOf } from "./gateway_pieces.ts";

const block = (length: number, seed = 0): Block => {
  const bytes = new Uint8Array(length).map((_, i) => i + seed);
  return { cid: cidOf(RAW, bytes), bytes };
};
async function* stream(blocks: readonly Block[], error?: Error): AsyncGenerator<Block> {
  await Promise.resolve();
  yield* blocks;
  if (error) throw error;
}
const join = async (pieces: Uint8Array[]) => await new Blob(pieces as BlobPart[]).bytes();

Deno.test("pieces make the CAR, large blocks in parts and small ones together", async () => {
  const small = Array.from({ length: 1_000 }, (_, seed) => block(100, seed % 200));
  for (const blocks of [[], [block(0)], [block(2 ** 21)], [...small, block(2 ** 20), ...small]]) {
    const root = cidOf(RAW, new Uint8Array());
    const pieces = await Array.fromAsync(carPieces(root, stream(blocks)));
    const read = await blocksOfCar(await join(pieces));
    assert.deepEqual(read.roots.map(String), [String(root)]);
    assert.deepEqual(read.blocks, blocks);
    for (const { length } of pieces) assert.ok(length > 0 && length <= 2 ** 18 + 100, `${length}`);
    assert.ok(
      pieces.length <= 2 + blocks.reduce((sum, { bytes }) => sum + bytes.length, 0) / 2 ** 16,
    );
  }
});

Deno.test("what came before a block that fails is passed on before the failure", async () => {
  const blocks = [block(10), block(20)];
  const pieces = carPieces(blocks[0]!.cid, stream(blocks, new Error("lost")));
  const { value } = await pieces.next();
  assert.deepEqual((await blocksOfCar(value!)).blocks, blocks);
  await assert.rejects(pieces.next(), { message: "lost" });
});

Deno.test("no block is read ahead of the piece that is taken", async () => {
  let made = 0;
  async function* counted(): AsyncGenerator<Block> {
    await Promise.resolve();
    for (let seed = 0; seed < 4; seed++) {
      made += 1;
      yield block(2 ** 20, seed);
    }
  }
  const pieces = carPieces(block(0).cid, counted());
  for (let piece = 0; piece < 5; piece++) await pieces.next();
  assert.equal(made, 1);
  await pieces.return(undefined);
});

Deno.test("parts of a block are views of it", () => {
  const bytes = new Uint8Array(600_000);
  const parts = [...piecesOf(bytes)];
  assert.deepEqual(parts.map(({ length }) => length), [262_144, 262_144, 75_712]);
  for (const part of parts) assert.equal(part.buffer, bytes.buffer);
});

import assert from "node:assert/strict";
import fc from "fast-check";
import { type Block, cidOf, RAW } from "../cid.ts";
import { CachedFile } from "./cached_file.ts";
import { writeCar } from "./car.ts";
import { type Dag, importFile } from "./dag.ts";
import { readUnixfsFile } from "./unixfs.ts";

const LAYOUT = { chunkBytes: 1_000, widthMax: 3 };
const patterned = (length: number, seed = 0) =>
  new Uint8Array(length).map((_, i) => i * 7 + (i >> 8) * 31 + seed);

async function withCar<Result>(
  car: Uint8Array,
  test: (path: string) => Promise<Result>,
): Promise<Result> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, car);
    return await test(path);
  } finally {
    await Deno.remove(path).catch(() => {});
  }
}

/** The file of a cache that holds `car`, read whole. */
function readFrom(car: Uint8Array, { root }: Dag): Promise<Uint8Array> {
  return withCar(car, async (path) => {
    await using file = new CachedFile({ file: await Deno.open(path), path });
    return (await readUnixfsFile(root, file, 1e9)).bytes;
  });
}

Deno.test("a file of any depth, with parts that come again, is read as it was", async () => {
  const parts = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(parts, fc.nat(999), async (seeds, rest) => {
      const bytes = new Uint8Array(
        await new Blob([
          ...seeds.map((seed) => patterned(1_000, seed)),
          patterned(rest, 9),
        ]).arrayBuffer(),
      );
      const dag = importFile(bytes, LAYOUT);
      assert.deepEqual(await readFrom(writeCar(dag), dag), bytes);
    }),
    { numRuns: 30 },
  );
});

Deno.test("no byte of a leaf may be another, and none may be missing", async () => {
  const dag = importFile(patterned(2_500), LAYOUT);
  const car = writeCar(dag);
  assert.deepEqual(await readFrom(car, dag), patterned(2_500));
  let at = car.length;
  for (const { bytes } of dag.blocks.slice(1).reverse()) {
    for (const place of [at - 1, at - bytes.length]) {
      const broken = car.slice();
      broken[place]! ^= 1;
      await assert.rejects(readFrom(broken, dag), { code: "ipfs_mismatch" });
      await assert.rejects(readFrom(car.subarray(0, place), dag), { code: "ipfs_mismatch" });
    }
    at -= bytes.length + 38;
  }
});

Deno.test("a file that is of another content, or none, is refused", async () => {
  const [dag, other] = [importFile(patterned(2_500), LAYOUT), importFile(patterned(10))];
  await assert.rejects(readFrom(writeCar(other), dag), { code: "invalid_input" });
  await assert.rejects(readFrom(writeCar({ ...dag, blocks: [] }), dag), { code: "invalid_input" });
  await assert.rejects(readFrom(new Uint8Array(), dag), { code: "invalid_input" });
});

Deno.test("a file that is removed while it is read fails, and nothing stays open", async () => {
  const dag = importFile(patterned(2_500), LAYOUT);
  await withCar(writeCar(dag), async (path) => {
    await using file = new CachedFile({ file: await Deno.open(path), path });
    await file.get(dag.root);
    await Deno.remove(path);
    const { cid, bytes }: Block = dag.blocks[1]!;
    assert.deepEqual(cid, cidOf(RAW, bytes));
    const { verified } = await file.getLeaf(cid, new Uint8Array(bytes.length));
    await assert.rejects(verified, Deno.errors.NotFound);
  });
});

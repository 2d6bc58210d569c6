import assert from "node:assert/strict";
import fc from "fast-check";
import { formatCid } from "../cid.ts";
import { processorShare } from "../../worlds/processor_share.ts";
import { CACHE_UNJUDGED_FILES_MAX } from "../limits.ts";
import { type BlockCache, openCache } from "./cache.ts";
import { writeCar } from "./car.ts";
import { type Dag, importFile } from "./dag.ts";

const patterned = (length: number, seed = 0) =>
  new Uint8Array(length).map((_, i) => i * 7 + (i >> 8) * 31 + seed);
const LAYOUT = { chunkBytes: 1_000, widthMax: 4 };

async function withDir(test: (dir: string) => Promise<void>): Promise<void> {
  const parent = await Deno.makeTempDir();
  try {
    await test(`${parent}/cache`);
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
}

const open = (dir: string, maxBytes: number, maxFiles = 100) =>
  openCache(dir, { maxBytes, maxFiles });
const keep = async (cache: BlockCache, { root, blocks }: Dag) => {
  await cache.put(root, blocks);
  await cache.judge(root, true);
};
const inBlocks = (bytes: number) => Math.ceil(bytes / 4_096) * 4_096;
const names = (dir: string) =>
  [...Deno.readDirSync(dir)].filter(({ isFile }) => isFile).map(({ name }) => name).sort();
const holds = async (cache: BlockCache, { root }: Dag) => (await cache.get(root, 1e9)) !== null;

Deno.test("what was put is read back, also by the next process", async () => {
  await withDir(async (dir) => {
    const dag = importFile(patterned(10_000), LAYOUT);
    const cache = await open(dir, 1_000_000);
    assert.equal(await cache.get(dag.root, 10_000), null);
    await keep(cache, dag);
    for (const opened of [cache, await open(dir, 1_000_000)]) {
      assert.deepEqual(await opened.get(dag.root, 10_000), patterned(10_000));
      assert.equal(opened.size(), inBlocks(writeCar(dag).length));
    }
    await assert.rejects(cache.get(dag.root, 9_999), {
      code: "invalid_input",
      data: { limitBytes: 9_999, fileBytes: 10_000 },
    });
    assert.ok(await holds(cache, dag));
  });
});

Deno.test("only the owner can look into the cache", async () => {
  await withDir(async (dir) => {
    await Deno.mkdir(dir, { mode: 0o755 });
    const dag = importFile(patterned(10));
    const cache = await open(dir, 4_096);
    await keep(cache, dag);
    const mode = (path: string) => (Deno.statSync(path).mode ?? 0) & 0o777;
    assert.equal(mode(dir), 0o700);
    assert.equal(mode(`${dir}/${names(dir)[0]}`), 0o600);
  });
});

Deno.test("a file with any byte changed, cut or replaced is dropped", async () => {
  await withDir(async (dir) => {
    const dag = importFile(patterned(5_000), LAYOUT);
    const car = writeCar(dag);
    const path = `${dir}/${formatCid(dag.root)}.car`;
    const cache = await open(dir, 1_000_000);
    const isDropped = async (content: Uint8Array) => {
      await Deno.writeFile(path, content);
      assert.equal(await cache.get(dag.root, 5_000), null);
      assert.deepEqual(names(dir), []);
      assert.equal(cache.size(), 0);
    };
    // Roots are ignored and the codec of a CID is not hashed; all else is covered.
    const header = 1 + car[0]!;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: header + 6, max: header + 40 }), async (at) => {
        const broken = car.slice();
        broken[at]! ^= 0x55;
        await isDropped(broken);
      }),
      { numRuns: 30 },
    );
    const last = car.slice();
    last[last.length - 1]! ^= 1;
    await isDropped(last);
    await isDropped(car.subarray(0, car.length - 1));
    await isDropped(new Uint8Array());
    await isDropped(writeCar(importFile(patterned(5_000, 1), LAYOUT)));
  });
});

Deno.test("the least recently used files go when the limit is reached, also across restarts", async () => {
  await withDir(async (dir) => {
    const dags = [1, 2, 3, 4].map((seed) => importFile(patterned(1_000, seed)));
    const maxBytes = 3 * 4_096;
    const [first, second, third, fourth] = dags as [Dag, Dag, Dag, Dag];
    const cache = await open(dir, maxBytes);
    for (const dag of [first, second, third]) await keep(cache, dag);
    assert.ok(await holds(cache, first));
    await keep(cache, fourth);
    assert.equal(cache.size(), maxBytes);
    assert.equal(await holds(cache, second), false);
    for (const dag of [third, fourth]) assert.ok(await holds(cache, dag));

    // The order on disk is that of the times of last use.
    const used: [Dag, number][] = [[fourth, 1], [first, 2], [third, 3]];
    for (const [dag, seconds] of used) {
      await Deno.utime(`${dir}/${formatCid(dag.root)}.car`, seconds, seconds);
    }
    const smaller = await open(dir, maxBytes / 3);
    assert.deepEqual(names(dir), [`${formatCid(third.root)}.car`]);
    assert.ok(await holds(smaller, third));
  });
});

Deno.test("putting the same content twice counts once, and what is too large is not kept", async () => {
  await withDir(async (dir) => {
    const dag = importFile(patterned(1_000));
    const cache = await open(dir, 4_096);
    await Promise.all([keep(cache, dag), keep(cache, dag)]);
    assert.equal(cache.size(), 4_096);
    const large = importFile(patterned(5_000));
    await keep(cache, large);
    assert.equal(await holds(cache, large), false);
    assert.ok(await holds(cache, dag));
  });
});

Deno.test("small files count by their blocks and their number", async () => {
  await withDir(async (dir) => {
    const dags = Array.from({ length: 8 }, (_, seed) => importFile(patterned(10, seed)));
    const cache = await open(dir, 4 * 4_096);
    for (const dag of dags) await keep(cache, dag);
    assert.equal(names(dir).length, 4);
    const fewer = await open(dir, 1e9, 2);
    assert.equal(names(dir).length, 2);
    await keep(fewer, dags[0]!);
    assert.deepEqual([names(dir).length, fewer.size()], [2, 2 * 4_096]);
  });
});

Deno.test("what nobody judged makes room for its like, never at the cost of what is kept", async () => {
  await withDir(async (dir) => {
    const cache = await open(dir, 1e9, CACHE_UNJUDGED_FILES_MAX * 2);
    const [useful, useless] = [importFile(patterned(10, 1)), importFile(patterned(10, 2))];
    for (const dag of [useful, useless]) await cache.put(dag.root, dag.blocks);
    await cache.judge(useful.root, true);
    await cache.judge(useless.root, false);
    assert.equal(await holds(cache, useless), false, "a no goes at once");
    for (let number = 0; number <= CACHE_UNJUDGED_FILES_MAX; number++) {
      const { root, blocks } = importFile(new TextEncoder().encode(`stranger ${number}`));
      await cache.put(root, blocks);
    }
    assert.equal(names(`${dir}/unjudged`).length, CACHE_UNJUDGED_FILES_MAX);
    assert.ok(await holds(cache, useful));
    await cache.judge(useful.root, false);
    assert.ok(await holds(cache, useful), "what is useful to one stays, whatever others say");
  });
});

Deno.test("what a process that died had begun to write is swept, and foreign files stay", async () => {
  await withDir(async (dir) => {
    await Deno.mkdir(dir, { recursive: true });
    await Deno.writeTextFile(`${dir}/.x.car.1.part`, "half");
    await Deno.writeTextFile(`${dir}/notes.txt`, "mine");
    const cache = await open(dir, 1);
    assert.deepEqual(names(dir), ["notes.txt"]);
    assert.equal(cache.size(), 0);
  });
});

Deno.test("a disk that cannot be written to costs the cache, not the reader", async () => {
  await withDir(async (dir) => {
    const dag = importFile(patterned(1_000));
    const cache = await open(dir, 4_096);
    await Deno.remove(dir, { recursive: true });
    await keep(cache, dag);
    assert.equal(cache.size(), 0);
    assert.equal(await cache.get(dag.root, 1_000), null);
  });
});

for (const chunkBytes of [1_000_000, 100_000]) {
  Deno.test(`large files leave processors to calls, in blocks of ${chunkBytes} bytes`, async () => {
    await withDir(async (dir) => {
      const dags = [1, 2, 3].map((seed) =>
        importFile(patterned(30_000_000, seed), { chunkBytes, widthMax: 1_000 })
      );
      const cache = await open(dir, 200_000_000);
      const put = await processorShare(() => Promise.all(dags.map((dag) => keep(cache, dag))));
      const got = await processorShare(() => Promise.all(dags.map((dag) => holds(cache, dag))));

      assert.ok(put < 0.8, `${put} of a processor`);
      assert.ok(got < 0.8, `${got} of a processor`);
    });
  });
}

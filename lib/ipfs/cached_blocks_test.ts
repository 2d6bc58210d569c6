import assert from "node:assert/strict";
import { type Block, cidOf, formatCid, RAW } from "../cid.ts";
import { type BlockCache, keptPath, openCache, unjudgedDir } from "./cache.ts";
import { CachedBlocks } from "./cached_blocks.ts";
import { type Dag, importFile } from "./dag.ts";

const LAYOUT = { chunkBytes: 1_000, widthMax: 4 };
const file = (seed: number, length = 10_000) =>
  importFile(new Uint8Array(length).map((_, i) => i * 7 + (i >> 8) * 31 + seed), LAYOUT);
const ROOM = { maxBytes: 1e9, maxFiles: 100 };

interface Opened {
  dir: string;
  cache: BlockCache;
  blocks: CachedBlocks;
}

/** A cache and its blocks, opened as a provider opens them, again after `reopen`. */
async function withCache(
  test: (opened: Opened, reopen: (room?: Partial<typeof ROOM>) => Promise<Opened>) => Promise<void>,
  blocksMax?: number,
): Promise<void> {
  const parent = await Deno.makeTempDir();
  const dir = `${parent}/cache`;
  const opened: Opened[] = [];
  const open = async (room: Partial<typeof ROOM> = {}) => {
    await opened.at(-1)?.blocks.close();
    const blocks = await CachedBlocks.open(dir, blocksMax);
    const cache = await openCache(dir, { ...ROOM, ...room, watcher: blocks });
    opened.push({ dir, blocks, cache });
    return opened.at(-1)!;
  };
  try {
    await test(await open(), open);
  } finally {
    await opened.at(-1)?.blocks.close();
    await Deno.remove(parent, { recursive: true });
  }
}

async function keep({ cache, blocks }: Opened, { root, blocks: all }: Dag): Promise<void> {
  await cache.put(root, all);
  await cache.judge(root, true);
  await blocks.settled();
}

async function held({ blocks }: Opened, { blocks: all }: Dag): Promise<number> {
  let count = 0;
  for (const { cid, bytes } of all) {
    const read = await blocks.get(cid);
    if (read === null) continue;
    assert.deepEqual(read, bytes);
    count += 1;
  }
  return count;
}

Deno.test("every block of a useful file is found by its cid, also by the next process", async () => {
  await withCache(async (opened, reopen) => {
    const [one, other] = [file(1), file(2)];
    await keep(opened, one);
    await keep(opened, other);
    for (const open of [() => opened, reopen]) {
      const now = await open();
      assert.equal(await held(now, one), one.blocks.length);
      assert.equal(await held(now, other), other.blocks.length);
    }
  });
});

Deno.test("what nobody judged is given to nobody, nor what was found useless", async () => {
  await withCache(async (opened) => {
    const dag = file(1);
    await opened.cache.put(dag.root, dag.blocks);
    await opened.blocks.settled();
    assert.equal(await held(opened, dag), 0);
    await opened.cache.judge(dag.root, false);
    assert.equal(await held(opened, dag), 0);
    await keep(opened, dag);
    assert.equal(await held(opened, dag), dag.blocks.length, "but once it is useful");
  });
});

Deno.test("what nobody judged is found where it lies until it is judged, and whole once it is", async () => {
  const dir = await Deno.makeTempDir();
  const blocks = await CachedBlocks.open(unjudgedDir(dir));
  try {
    const cache = await openCache(dir, { ...ROOM, unjudgedWatcher: blocks });
    const opened = { dir, cache, blocks };
    const one = file(1);
    await cache.put(one.root, one.blocks.slice(0, 2));
    assert.equal(await held(opened, one), 2);
    await cache.put(one.root, one.blocks);
    await blocks.settled();
    assert.equal(await held(opened, one), one.blocks.length);
    await cache.judge(one.root, true);
    assert.equal(await held(opened, one), 0);
  } finally {
    await blocks.close();
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("what goes is found no more, and what another file has still is", async () => {
  await withCache(async (_, reopen) => {
    const opened = await reopen({ maxFiles: 1 });
    const [small, large] = [file(1, 3_000), file(1, 5_000)];
    await keep(opened, small);
    await keep(opened, large);
    await opened.blocks.settled();
    assert.equal(await opened.blocks.get(small.root), null);
    assert.equal(await held(opened, large), large.blocks.length);
    const shared = small.blocks.filter(({ cid }) => cid.code === RAW);
    assert.equal(await held(opened, { ...small, blocks: shared }), 3);
  });
});

Deno.test("a file that has no index is indexed: at a start, and when its root is asked for", async () => {
  await withCache(async (opened, reopen) => {
    const dag = file(1);
    await keep(opened, dag);
    await opened.blocks.close();
    await Deno.remove(`${opened.dir}/blocks.db`);
    const anew = await reopen();
    await anew.blocks.settled();
    assert.equal(await held(anew, { ...dag, blocks: dag.blocks.slice(1) }), dag.blocks.length - 1);

    anew.blocks.noteGone(formatCid(dag.root));
    await anew.blocks.settled();
    assert.equal(await anew.blocks.get(dag.blocks.at(-1)!.cid), null);
    assert.equal(await held(anew, dag), dag.blocks.length);
  });
});

Deno.test("an index that can't be read is made anew", async () => {
  await withCache(async (opened, reopen) => {
    const dag = file(1);
    await keep(opened, dag);
    await opened.blocks.close();
    await Deno.writeTextFile(`${opened.dir}/blocks.db`, "no database ".repeat(1_000));
    const anew = await reopen();
    await anew.blocks.settled();
    assert.equal(await held(anew, dag), dag.blocks.length);
  });
});

Deno.test("bytes that changed on the disk are given to nobody", async () => {
  await withCache(async (opened) => {
    const dag = file(1);
    await keep(opened, dag);
    const path = keptPath(opened.dir, formatCid(dag.root));
    const car = await Deno.readFile(path);
    car[car.length - 1]! ^= 1;
    await Deno.writeFile(path, car);
    assert.equal(await opened.blocks.get(dag.blocks.at(-1)!.cid), null);
    await opened.blocks.settled();
    await Deno.writeFile(path, car.subarray(0, 40));
    assert.equal(await held(opened, dag), 0);
    await Deno.remove(path);
    assert.equal(await held(opened, dag), 0);
  });
});

Deno.test("so many blocks are found and no more: files indexed longest ago go first", async () => {
  await withCache(async (opened) => {
    const dags = [1, 2, 3].map((seed) => file(seed));
    for (const dag of dags) await keep(opened, dag);
    await opened.blocks.settled();
    const leaves = (dag: Dag) => ({ ...dag, blocks: dag.blocks.slice(1) });
    assert.equal(await held(opened, leaves(dags[0]!)), 0);
    for (const dag of dags.slice(1)) assert.equal(await held(opened, dag), dag.blocks.length);
    // Its root leads to it all the same; another one makes room.
    assert.equal(await held(opened, dags[0]!), dags[0]!.blocks.length);
  }, 30);
});

Deno.test("a block that is asked for under another codec is the same bytes", async () => {
  await withCache(async (opened) => {
    const bytes = new TextEncoder().encode("one block");
    const block: Block = { cid: cidOf(RAW, bytes), bytes };
    await keep(opened, { root: block.cid, blocks: [block] });
    assert.deepEqual(await opened.blocks.get(cidOf(0x70, bytes)), bytes);
  });
});

Deno.test("when it is closed nothing is found, and nothing fails", async () => {
  await withCache(async (opened) => {
    const dag = file(1);
    await keep(opened, dag);
    opened.blocks.noteKept(formatCid(dag.root));
    await opened.blocks.close();
    assert.equal(await held(opened, dag), 0);
    opened.blocks.noteGone(formatCid(dag.root));
    opened.blocks.noteKept("bafynothing");
    assert.equal(await opened.cache.get(dag.root, 1e9).then((bytes) => bytes?.length), 10_000);
  });
});

import assert from "node:assert/strict";
import * as dagPb from "@ipld/dag-pb";
import fc from "fast-check";
import { importBytes } from "ipfs-unixfs-importer";
import { fixedSize } from "ipfs-unixfs-importer/chunker";
import { balanced, trickle } from "ipfs-unixfs-importer/layout";
import { blockstoreOf, KeptBlocks } from "../../worlds/ipfs/kept_blocks.ts";
import { type Block, CID, cidOf, DAG_PB } from "../cid.ts";
import { CONTENT_DEPTH_MAX, CONTENT_VISITS_MAX } from "../limits_of_content.ts";
import type { ByteRange } from "./byte_range.ts";
import { followPath } from "./content_path.ts";
import { decodeUnixfs } from "./dag_pb.ts";
import { walkContent, type WalkOptions } from "./dag_walk.ts";

const ALL: WalkOptions = { scope: "all", range: null, hasDuplicates: false };
const LAYOUTS = [balanced({ maxChildrenPerNode: 3 }), trickle({ maxChildrenPerNode: 2 })];

async function* walk(kept: KeptBlocks, root: CID, options: WalkOptions): AsyncGenerator<Block> {
  yield* walkContent(kept, await followPath(kept, root, []), options);
}

async function imported(bytes: Uint8Array, layout: typeof LAYOUTS[number]) {
  const kept = new KeptBlocks();
  const chunker = fixedSize({ chunkSize: 7 });
  const { cid } = await importBytes(bytes, blockstoreOf(kept), { chunker, layout });
  return { kept, root: CID.decode(cid.bytes) };
}

/** Texts of the blocks that hold bytes of a range, or lead to them. */
async function holding(
  kept: KeptBlocks,
  cid: CID,
  { from, to }: ByteRange,
  at = 0,
): Promise<string[]> {
  const bytes = (await kept.get(cid))!;
  const { Links, Data } = cid.code === DAG_PB ? dagPb.decode(bytes) : { Links: [], Data: null };
  const { data, blockSizes } = Data ? decodeUnixfs(Data) : { data: bytes, blockSizes: [] };
  const held = [String(cid)];
  let start = at + data.length;
  for (const [index, { Hash }] of Links.entries()) {
    const end = start + blockSizes[index]!;
    if (start <= to && end > from) {
      held.push(...await holding(kept, CID.decode(Hash.bytes), { from, to }, start));
    }
    start = end;
  }
  return held;
}

Deno.test("a range brings the blocks that hold it, and those that lead there", async () => {
  const parts = fc.tuple(fc.nat(199), fc.nat(199), fc.boolean());
  await fc.assert(
    fc.asyncProperty(parts, fc.boolean(), async ([one, other, isTrickle], hasDuplicates) => {
      // Bytes that repeat make blocks, and whole subtrees, that repeat.
      const bytes = new Uint8Array(200).map((_, i) => i < 126 ? i % 7 : i);
      const { kept, root } = await imported(bytes, LAYOUTS[isTrickle ? 1 : 0]!);
      const range = { from: Math.min(one, other), to: Math.max(one, other) };
      const options: WalkOptions = { scope: "entity", range, hasDuplicates };
      const blocks = await Array.fromAsync(walk(kept, root, options));
      const sent = blocks.map(({ cid }) => String(cid));
      const held = await holding(kept, root, range);
      assert.deepEqual(sent, hasDuplicates ? held : [...new Set(held)]);
    }),
    { numRuns: 100 },
  );
});

Deno.test("blocks that are named often come as often as asked, within what an answer may have", async () => {
  const kept = new KeptBlocks();
  let cid = kept.putRaw(new Uint8Array());
  for (let level = 0; level < 6; level++) cid = put(kept, Array.from({ length: 1_000 }, () => cid));
  assert.equal((await Array.fromAsync(walk(kept, cid, ALL))).length, 7);
  let count = 0;
  await assert.rejects(async () => {
    for await (const _ of walk(kept, cid, { ...ALL, hasDuplicates: true })) count += 1;
  }, { code: "invalid_input", message: /65536 nodes/ });
  assert.equal(count, CONTENT_VISITS_MAX);
});

Deno.test("a DAG as deep as may be is walked, and a deeper one is not", async () => {
  const kept = new KeptBlocks();
  let cid = kept.putRaw(new Uint8Array());
  for (let level = 0; level < CONTENT_DEPTH_MAX; level++) cid = put(kept, [cid]);
  assert.equal((await Array.fromAsync(walk(kept, cid, ALL))).length, CONTENT_DEPTH_MAX + 1);
  cid = put(kept, [cid]);
  await assert.rejects(Array.fromAsync(walk(kept, cid, ALL)), { code: "invalid_input" });
});

Deno.test("one block under two codecs is followed under each", async () => {
  const kept = new KeptBlocks();
  const leaf = kept.putRaw(Uint8Array.of(1));
  const inner = put(kept, [leaf]);
  const root = put(kept, [CID.createV1(0x55, inner.multihash), inner]);
  const sent = (await Array.fromAsync(walk(kept, root, ALL))).map(({ cid }) => String(cid));
  assert.ok(sent.includes(String(leaf)));
});

function put(kept: KeptBlocks, links: readonly CID[]): CID {
  const Links = links.map((Hash) => ({ Name: "", Hash, Tsize: 1 }));
  const bytes = dagPb.encode({ Data: Uint8Array.of(8, 1), Links });
  const cid = cidOf(DAG_PB, bytes);
  kept.put({ cid, bytes });
  return cid;
}

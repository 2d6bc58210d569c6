/**
 * What the CARs of ipfs/gateway-conformance are made for, rebuilt by the reference importer: a
 * provider's gateway gives out all of it as the reference libraries read it.
 */
import assert from "node:assert/strict";
import * as dagCbor from "@ipld/dag-cbor";
import * as dagPb from "@ipld/dag-pb";
import type { ImporterOptions } from "ipfs-unixfs-importer";
import { fixedSize } from "ipfs-unixfs-importer/chunker";
import { balanced, trickle } from "ipfs-unixfs-importer/layout";
import { CID, cidOf, DAG_PB, RAW } from "../lib/cid.ts";
import { type AskedGateway, askGateway } from "../worlds/ipfs/asked_gateway.ts";
import { assertServed } from "../worlds/ipfs/gateway_conformance.ts";
import { blocksOfCar, importTree } from "../worlds/ipfs/kept_blocks.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const patterned = (length: number, seed = 0) =>
  new Uint8Array(length).map((_, i) => i * 7 + (i >> 8) * 31 + seed);
/** Files of several blocks, on two levels. */
const SMALL_BLOCKS: ImporterOptions = {
  chunker: fixedSize({ chunkSize: 1_024 }),
  layout: balanced({ maxChildrenPerNode: 3 }),
};
const VERSION_0: ImporterOptions = { cidVersion: 0, rawLeaves: false };
const SHARDED: ImporterOptions = { shardSplitThresholdBytes: 0 };

/** The texts of the cids that an answer holds. */
async function sent(gateway: AskedGateway, path: string): Promise<string[]> {
  const { blocks } = await blocksOfCar(await gateway.bytes(path));
  return blocks.map(({ cid }) => String(cid));
}

async function statusOf(gateway: AskedGateway, path: string): Promise<number> {
  return (await gateway.answer(path)).status;
}

Deno.test("a directory of files alike, of one block and of several, in folders", async () => {
  for (const options of [SMALL_BLOCKS, { ...SMALL_BLOCKS, ...VERSION_0 }]) {
    const gateway = askGateway();
    const root = await importTree(gateway.kept, {
      "hello.txt": utf8("hello"),
      "again.txt": utf8("hello"),
      "subdir/several.bin": patterned(9_000),
      "subdir/same.bin": patterned(9_000),
      "subdir/zeros.bin": new Uint8Array(5_000),
      "subdir/deeper/empty": new Uint8Array(),
    }, options);
    const { files, broken } = await assertServed(gateway, root);
    assert.deepEqual([files, broken], [6, 0]);
  }
});

Deno.test("a trickle layout has data in inner nodes", async () => {
  const gateway = askGateway();
  const layout = trickle({ layerRepeat: 2, maxChildrenPerNode: 2 });
  const root = await importTree(gateway.kept, { "a": patterned(20_000) }, {
    ...SMALL_BLOCKS,
    layout,
  });
  assert.equal((await assertServed(gateway, root)).files, 1);
});

Deno.test("a sharded directory with files of several blocks", async () => {
  const gateway = askGateway();
  const names = Array.from({ length: 30 }, (_, number) => `${number}.bin`);
  const files = Object.fromEntries(names.map((name, seed) => [name, patterned(2_100, seed)]));
  const root = await importTree(gateway.kept, files, { ...SMALL_BLOCKS, ...SHARDED });
  assert.equal((await assertServed(gateway, root)).files, names.length);
});

Deno.test("shards below shards: a listing has them all, and a path only those on its way", async () => {
  const gateway = askGateway();
  const names = Array.from({ length: 200 }, (_, number) => `file ${number}`);
  const files = Object.fromEntries(names.map((name) => [name, utf8(name)]));
  const options = { ...SHARDED, shardFanoutBits: 3, rawLeaves: true };
  const root = await importTree(gateway.kept, files, options);
  const shards = gateway.kept.all().filter(({ cid }) => cid.code === DAG_PB);
  assert.ok(shards.length > 40);
  const listing = await sent(gateway, `${root}?format=car&dag-scope=entity`);
  assert.deepEqual(listing.sort(), shards.map(({ cid }) => String(cid)).sort());
  let deepest = 0;
  for (const name of names) {
    const path = `${root}/${encodeURIComponent(name)}?format=car&dag-scope=block`;
    const proof = await sent(gateway, path);
    assert.equal(proof.at(-1), String(cidOf(RAW, utf8(name))));
    deepest = Math.max(deepest, proof.length);
  }
  assert.ok(deepest >= 4 && deepest < 10, `${deepest} blocks prove a path`);
  assert.equal(await statusOf(gateway, `${root}/nobody?format=car`), 404);
});

Deno.test("a file that lacks a block is given up to there, and in parts that are whole", async () => {
  const gateway = askGateway();
  const root = await importTree(gateway.kept, { "file": patterned(3_072) }, SMALL_BLOCKS);
  const [, second] = [0, 1, 2].map((part) =>
    cidOf(RAW, patterned(3_072).slice(part * 1_024, part * 1_024 + 1_024))
  );
  gateway.kept.remove(second!);
  assert.deepEqual(await assertServed(gateway, root), { blocks: 4, files: 0, broken: 1 });
  const inFirst = await sent(gateway, `${root}/file?format=car&entity-bytes=0:1000`);
  const inLast = await sent(gateway, `${root}/file?format=car&entity-bytes=2048:*`);
  const fromEnd = await sent(gateway, `${root}/file?format=car&entity-bytes=-1024:*`);
  assert.equal(inFirst.length, 3);
  assert.deepEqual(inLast, fromEnd);
  assert.notDeepEqual(inFirst, inLast);
});

Deno.test("names are percent-encoded, and may be any: slashes, backslashes, folders above", async () => {
  const gateway = askGateway();
  const leaf = gateway.kept.putRaw(utf8("inside"));
  const names = [
    "Portugal%2C+España=Peninsula Ibérica.txt",
    "a\\b",
    "..",
    "../foobar.txt",
    "a?b#c",
  ];
  const links = names.map((Name) => ({ Name, Hash: leaf, Tsize: 6 }));
  const root = putNode(gateway, [...links].sort((a, b) => a.Name < b.Name ? -1 : 1));
  assert.equal((await assertServed(gateway, root)).files, names.length);
  for (const name of names) {
    const car = await sent(gateway, `${root}/${encodeURIComponent(name)}?format=car`);
    assert.deepEqual(car, [String(root), String(leaf)], name);
  }
  for (const broken of ["%", "%zz", "%ff"]) {
    assert.equal(await statusOf(gateway, `${root}/${broken}?format=car`), 400, broken);
  }
  assert.equal(await statusOf(gateway, `${root}/foobar.txt?format=car`), 404);
});

Deno.test("a symbolic link is given as what it is, and never followed", async () => {
  const gateway = askGateway();
  const leaf = gateway.kept.putRaw(utf8("bar"));
  const link = putUnixfs(gateway, [8, 4, 18, 3, ...utf8("foo")]);
  const root = putNode(gateway, [
    { Name: "bar", Hash: link, Tsize: 9 },
    { Name: "foo", Hash: leaf, Tsize: 3 },
  ]);
  assert.deepEqual(await sent(gateway, `${root}/bar?format=car`), [String(root), String(link)]);
  const below = await gateway.ask(`${root}/bar/foo?format=car`);
  assert.equal(below.status, 404);
  assert.match((await below.json()).message, /symbolic link, which is not followed/);
});

Deno.test("what is linked from DAG-CBOR comes with all of it, and not with an entity", async () => {
  const gateway = askGateway();
  const leaves = ["a", "b"].map((text) => gateway.kept.putRaw(utf8(text)));
  const data = { name: "links", links: leaves, deep: { a: [{ b: leaves[1] }] } };
  const bytes = new Uint8Array(dagCbor.encode(data));
  const cbor = CID.createV1(dagCbor.code, cidOf(RAW, bytes).multihash);
  gateway.kept.put({ cid: cbor, bytes });
  const root = putNode(gateway, [{ Name: "cbor", Hash: cbor, Tsize: bytes.length }]);
  await assertServed(gateway, root);
  // Shorter keys stand first in DAG-CBOR.
  const all = [root, cbor, leaves[1], leaves[0]].map(String);
  assert.deepEqual(await sent(gateway, `${root}?format=car`), all);
  assert.deepEqual(await sent(gateway, `${root}/cbor?format=car&dag-scope=entity`), [
    String(root),
    String(cbor),
  ]);
  const ranged = await sent(gateway, `${root}/cbor?format=car&entity-bytes=0:10`);
  assert.deepEqual(ranged, all.slice(0, 2), "a range is of files alone");
  assert.equal(await statusOf(gateway, `${root}/cbor/links?format=car`), 404);
});

function putNode(gateway: AskedGateway, links: dagPb.PBLink[]): CID {
  return put(gateway, dagPb.encode({ Data: Uint8Array.of(8, 1), Links: links }));
}

function putUnixfs(gateway: AskedGateway, data: number[]): CID {
  return put(gateway, dagPb.encode({ Data: Uint8Array.from(data), Links: [] }));
}

function put(gateway: AskedGateway, bytes: Uint8Array): CID {
  const cid = cidOf(DAG_PB, bytes);
  gateway.kept.put({ cid, bytes });
  return cid;
}

import assert from "node:assert/strict";
import * as dagPb from "@ipld/dag-pb";
import { importFile } from "../../ipfs/dag.ts";
import { type AskedGateway, askGateway } from "../../../worlds/ipfs/asked_gateway.ts";
import { blocksOfCar, importTree, KeptBlocks } from "../../../worlds/ipfs/kept_blocks.ts";
import { CID, cidOf, DAG_PB, RAW } from "../../cid.ts";
import { CONTENT_ANSWERS_MAX, NETWORK_CONTENT_ANSWERS_MAX } from "../../limits_of_content.ts";
import type { AnswerStream } from "../http/request.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const LAYOUT = { chunkBytes: 1_000, widthMax: 4 };

function withFile(length = 10_000): { gateway: AskedGateway; root: CID } {
  const bytes = new Uint8Array(length).map((_, i) => i * 7 + (i >> 8) * 31);
  const { root, blocks } = importFile(bytes, LAYOUT);
  return { gateway: askGateway(new KeptBlocks(blocks)), root };
}

async function refusal(gateway: AskedGateway, path: string, init = {}): Promise<[number, string]> {
  const answer = await gateway.ask(path, init);
  return [answer.status, (await answer.json()).error];
}

Deno.test("the probe is answered, as a block and as a CAR, and kept by nobody", async () => {
  const gateway = askGateway();
  const raw = await gateway.ask("bafkqaaa?format=raw");
  assert.deepEqual([raw.status, (await raw.bytes()).length], [200, 0]);
  const { roots, blocks } = await blocksOfCar(await gateway.bytes("bafkqaaa?format=car"));
  assert.deepEqual([roots.map(String), blocks], [["bafkqaaa"], []]);
  for (const format of ["raw", "car"]) {
    const head = await gateway.answer(`bafkqaaa?format=${format}`, { method: "HEAD" });
    assert.deepEqual([head.status, head.body], [200, null]);
  }
  assert.equal(gateway.kept.reads, 0);
});

Deno.test("what is not kept is not found, under hashes that nobody could check either", async () => {
  const { gateway, root } = withFile();
  const absent = cidOf(RAW, utf8("absent"));
  const sha1 = CID.decode(Uint8Array.from([1, 0x55, 0x11, 20, ...new Array(20).fill(7)]));
  const short = CID.decode(Uint8Array.from([1, 0x55, 0x12, 8, ...new Array(8).fill(7)]));
  // The bytes of a block that is kept, claimed to be of another hash.
  const claimed = Uint8Array.from([1, 0x70, 0x1e, 32, ...root.multihash.digest]);
  for (const cid of [absent, sha1, short, CID.decode(claimed)]) {
    for (const format of ["raw", "car"]) {
      const path = `${cid}?format=${format}`;
      assert.deepEqual(await refusal(gateway, path), [404, "not_found"], path);
      const headers = { "cache-control": "only-if-cached" };
      const asked = await refusal(gateway, path, { headers });
      assert.deepEqual(asked[0], cid === absent ? 412 : 404);
    }
  }
});

Deno.test("a codec that is not read is given by the block, and not followed", async () => {
  const gateway = askGateway();
  const bytes = utf8("of its own");
  const cid = CID.createV1(0x0300, cidOf(RAW, bytes).multihash);
  gateway.kept.put({ cid, bytes });
  assert.deepEqual(await gateway.bytes(`${cid}?format=raw`), bytes);
  for (const scope of ["block", "entity"]) {
    const car = await blocksOfCar(await gateway.bytes(`${cid}?format=car&dag-scope=${scope}`));
    assert.equal(car.blocks.length, 1);
  }
  const all = await gateway.ask(`${cid}?format=car`);
  await assert.rejects(all.bytes(), { code: "not_implemented" });
});

Deno.test("a HEAD says what the GET says, and reads no more than the path", async () => {
  const { gateway, root } = withFile();
  for (
    const path of [
      `${root}?format=raw`,
      `${root}?format=car`,
      `${root}?format=car&entity-bytes=0:1`,
    ]
  ) {
    const get = await gateway.answer(path);
    const reads = gateway.kept.reads;
    const head = await gateway.answer(path, { method: "HEAD" });
    assert.ok(gateway.kept.reads - reads <= 2);
    assert.deepEqual([head.status, head.headers], [get.status, get.headers]);
    assert.deepEqual([head.body, head.bodyBytes], [null, get.bodyBytes]);
    await (get.body as AnswerStream).cancel();
  }
});

Deno.test("who has it already is told so, and holds no place", async () => {
  const { gateway, root } = withFile();
  for (const format of ["raw", "car"]) {
    const path = `${root}?format=${format}`;
    const tag = (await gateway.ask(path)).headers.get("etag")!;
    const known = await gateway.answer(path, { headers: { "if-none-match": tag } });
    assert.deepEqual([known.status, known.body], [304, null]);
    assert.equal(new Map(known.headers).get("etag"), tag);
    const absent = `${cidOf(RAW, utf8("absent"))}?format=${format}`;
    assert.equal((await refusal(gateway, absent, { headers: { "if-none-match": "*" } }))[0], 404);
  }
});

Deno.test("a range behind the end is refused, with the length; others give what there is", async () => {
  const { gateway, root } = withFile(10_000);
  const count = async (range: string) => {
    const path = `${root}?format=car&entity-bytes=${range}`;
    return (await blocksOfCar(await gateway.bytes(path))).blocks.length;
  };
  const all = await count("0:*");
  assert.equal(all, 10 + 3 + 1);
  const cases: [string, number][] = [
    ["0:99999999999999999", all],
    ["-9999999999999999999:*", all],
    ["-20000:-1", all],
    ["0:0", 3],
    ["9999:*", 3],
    ["-1:*", 3],
    ["999:1000", 4],
    ["3999:4000", 1 + 2 + 2],
    ["500:-9000", 4],
    // No byte of it: the root says why.
    ["0:-20000", 1],
    ["9000:-9000", 1],
  ];
  for (const [range, blocks] of cases) assert.equal(await count(range), blocks, range);
  for (const range of ["10000:*", "99999999999999999:*"]) {
    const answer = await gateway.ask(`${root}?format=car&entity-bytes=${range}`);
    const { error, fileBytes } = await answer.json();
    assert.deepEqual([answer.status, error, fileBytes], [400, "invalid_input", 10_000]);
  }
  for (const range of ["", "1", "a:b", "*:1", "5:4", "-1:-2", "1:2:3", "1.5:2", "0x1:2"]) {
    const path = `${root}?format=car&entity-bytes=${encodeURIComponent(range)}`;
    assert.deepEqual(await refusal(gateway, path), [400, "invalid_input"], range);
  }
});

Deno.test("an empty file has no bytes, and asking for them is no fault", async () => {
  const gateway = askGateway();
  const root = await importTree(gateway.kept, { empty: new Uint8Array() });
  const car = await gateway.bytes(`${root}/empty?format=car&entity-bytes=0:*`);
  assert.equal((await blocksOfCar(car)).blocks.length, 2);
});

Deno.test("DAGs that name one block over and over end by what is kept of them", async () => {
  for (const leaf of [new Uint8Array(), utf8("x")]) {
    const gateway = askGateway();
    const root = bomb(gateway, leaf, 6);
    for (const query of ["", "&dag-scope=entity", "&entity-bytes=0:*"]) {
      const { blocks } = await blocksOfCar(await gateway.bytes(`${root}?format=car${query}`));
      assert.ok(blocks.length <= 7, `${blocks.length} blocks`);
      assert.ok(gateway.kept.reads < 100_000);
    }
    // Each time that it is named is more than an answer may have.
    const dups = await gateway.ask(`${root}?format=car&dag-scope=block&car-dups=y`);
    assert.equal((await blocksOfCar(await dups.bytes())).blocks.length, 1);
  }
});

Deno.test("a chain that is too deep is cut off, and seen to be", async () => {
  const gateway = askGateway();
  let cid = gateway.kept.putRaw(utf8("end"));
  for (let level = 0; level < 2_000; level++) cid = node(gateway, [cid]);
  const answer = await gateway.ask(`${cid}?format=car`);
  await assert.rejects(answer.bytes(), { code: "invalid_input", message: /64 levels/ });
});

Deno.test("more links than may wait are not followed", async () => {
  const gateway = askGateway();
  const leaves = Array.from({ length: 8_192 }, (_, seed) => cidOf(RAW, utf8(`${seed}`)));
  let cid = gateway.kept.putRaw(utf8("end"));
  for (let level = 0; level < 12; level++) cid = node(gateway, [cid, ...leaves.slice(1)]);
  const answer = await gateway.ask(`${cid}?format=car`);
  await assert.rejects(answer.bytes(), { message: /65536 links/ });
});

Deno.test("a directory that shards for ever, or is malformed, is no way to anything", async () => {
  const gateway = askGateway();
  // A shard that is its own child cannot be; one whose children are all the same can.
  const shard = (links: dagPb.PBLink[], fanout = 256, hash = 0x22) =>
    raw(
      gateway,
      dagPb.encode({
        Data: Uint8Array.from([8, 5, 0x28, hash, 0x30, ...varint(fanout)]),
        Links: links,
      }),
    );
  const prefixes = Array.from({ length: 256 }, (_, at) => at.toString(16).toUpperCase());
  let cid = shard([]);
  for (let level = 0; level < 40; level++) {
    const below = cid;
    const Hash = below;
    cid = shard(prefixes.map((text) => ({ Name: text.padStart(2, "0"), Hash, Tsize: 1 })));
  }
  const path = `${cid}/name?format=car`;
  assert.deepEqual(await refusal(gateway, path), [400, "invalid_input"]);
  assert.ok(gateway.kept.reads < 20, `${gateway.kept.reads} reads`);
  const listing = await gateway.ask(`${cid}?format=car&dag-scope=entity`);
  assert.equal((await blocksOfCar(await listing.bytes())).blocks.length, 41);
  for (const [fanout, hash] of [[0, 0x22], [255, 0x22], [2 ** 20, 0x22], [256, 0x12]] as const) {
    const odd = shard([], fanout, hash);
    assert.deepEqual(await refusal(gateway, `${odd}/name?format=car`), [400, "invalid_input"]);
  }
});

Deno.test("blocks that are not of their codec are given raw, and end a walk", async () => {
  const gateway = askGateway();
  const bytes = new Uint8Array(2 * 1024 * 1024).fill(0x9f);
  for (const code of [DAG_PB, 0x71]) {
    const cid = CID.createV1(code, cidOf(RAW, bytes).multihash);
    gateway.kept.put({ cid, bytes });
    assert.deepEqual(await gateway.bytes(`${cid}?format=raw`), bytes);
    const all = await gateway.ask(`${cid}?format=car`);
    await assert.rejects(all.bytes(), { code: "invalid_input" });
    assert.equal((await gateway.ask(`${cid}/name?format=car`)).status, code === DAG_PB ? 400 : 404);
  }
});

Deno.test("a network's places are taken by answers under way, and free when these end", async () => {
  const { gateway, root } = withFile();
  const path = `${root}?format=car`;
  const answers = await Promise.all(
    Array.from({ length: NETWORK_CONTENT_ANSWERS_MAX }, () => gateway.answer(path, {}, "8.8.8.8")),
  );
  const refused = await gateway.answer(path, {}, "8.8.8.9");
  assert.equal(refused.status, 429);
  assert.equal(new Map(refused.headers).get("retry-after"), "1");
  assert.equal(
    (await gateway.answer(`${root}?format=raw`, { method: "HEAD" }, "8.8.8.9")).status,
    429,
  );
  const other = await gateway.answer(path, {}, "9.9.9.9");
  assert.equal(other.status, 200, "another network is not in its way");
  for (const { body } of [...answers, other]) await (body as AnswerStream).cancel();
  assert.equal(gateway.places.taken, 0);
});

Deno.test("a flood has its answers one after the other, or is told to wait; nothing is left", async () => {
  const { gateway, root } = withFile();
  const asked = Array.from({ length: 500 }, async (_, number) => {
    const path = [`${root}?format=car`, `${root}?format=raw`, `${root}/x?format=car`][number % 3]!;
    const { status, body } = await gateway.answer(path, {}, `8.${number % 50}.8.8`);
    if (body !== null && !(body instanceof Uint8Array)) {
      while (await body.read() !== null) { /* its reader takes it all */ }
    }
    return status;
  });
  assert.ok(gateway.places.taken <= CONTENT_ANSWERS_MAX);
  const statuses = new Set(await Promise.all(asked));
  assert.deepEqual([...statuses].sort(), [200, 404, 503]);
  assert.deepEqual([gateway.places.taken, gateway.clock.pending()], [0, 0]);
});

/** Each level names the one below a thousand times. */
function bomb(gateway: AskedGateway, leaf: Uint8Array, levels: number): CID {
  let cid = gateway.kept.putRaw(leaf);
  let size = leaf.length;
  for (let level = 0; level < levels; level++) {
    const links = Array.from({ length: 1_000 }, () => cid);
    const sizes = links.flatMap(() => [0x20, ...varint(size)]);
    size *= 1_000;
    cid = node(gateway, links, [8, 2, 0x18, ...varint(size), ...sizes]);
  }
  return cid;
}

function node(gateway: AskedGateway, links: readonly CID[], data = [8, 1]): CID {
  const Links = links.map((Hash) => ({ Name: "", Hash, Tsize: 1 }));
  return raw(gateway, dagPb.encode({ Data: Uint8Array.from(data), Links }));
}

function raw(gateway: AskedGateway, bytes: Uint8Array): CID {
  const cid = cidOf(DAG_PB, bytes);
  gateway.kept.put({ cid, bytes });
  return cid;
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [value % 128 + 128, ...varint(Math.floor(value / 128))];
}

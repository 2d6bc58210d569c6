import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import { CarReader as TheirReader, CarWriter } from "@ipld/car";
import fc from "fast-check";
import { type Block, blockKey, cidOf, RAW } from "../cid.ts";
import { streamSource } from "../byte_source.ts";
import { type CarLimits, CarReader, readCar, writeCar } from "./car.ts";
import { importFile } from "./dag.ts";
import { encodeVarint } from "./varint.ts";

const LIMITS: CarLimits = { bytesMax: 64 * 1024 * 1024, blocksMax: 1_000 };
const bytes = new Uint8Array(100).map((_, i) => i);
const dag = importFile(bytes, { chunkBytes: 10, widthMax: 4 });
const car = writeCar(dag);
const headerBytes = 1 + car[0]!;
const header = car.subarray(0, headerBytes);

async function read(parts: Uint8Array[], limits = LIMITS): Promise<Block[]> {
  return await Array.fromAsync(readCar(ReadableStream.from(parts), limits));
}

const utf8 = (text: string) => new TextEncoder().encode(text);
const section = (...parts: (Uint8Array | number[])[]) => {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return new Uint8Array(
    Buffer.concat([encodeVarint(length), ...parts.map((p) => Uint8Array.from(p))]),
  );
};

Deno.test("@ipld/car reads what writeCar writes", async () => {
  const theirs = await TheirReader.fromBytes(car);
  assert.deepEqual((await theirs.getRoots()).map(String), [dag.root.toString()]);
  const blocks = await Array.fromAsync(theirs.blocks());
  assert.deepEqual(
    blocks.map(({ cid, bytes }) => [cid.toString(), bytes]),
    dag.blocks.map(({ cid, bytes }) => [cid.toString(), bytes]),
  );
});

Deno.test("readCar reads what @ipld/car writes, with no, one and many roots", async () => {
  for (const roots of [[], [dag.root], dag.blocks.map(({ cid }) => cid)]) {
    const { writer, out } = CarWriter.create(roots);
    const collected = Array.fromAsync(out);
    for (const block of dag.blocks) await writer.put(block);
    await writer.close();
    const blocks = await read(await collected);
    assert.deepEqual(blocks, dag.blocks.map(({ cid, bytes }) => ({ cid, bytes })));
  }
});

Deno.test("readCar reads the same blocks however the stream is cut", async () => {
  await fc.assert(fc.asyncProperty(
    fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 200 }),
    async (cuts) => {
      const parts: Uint8Array[] = [];
      let at = 0;
      for (const cut of cuts) {
        parts.push(car.subarray(at, at + cut));
        at += cut;
      }
      parts.push(car.subarray(at));
      const blocks = await read(parts);
      assert.deepEqual(blocks.map(({ bytes }) => bytes), dag.blocks.map(({ bytes }) => bytes));
    },
  ));
});

Deno.test("a CAR with any bit flipped behind its header, or cut anywhere, is refused", async () => {
  await fc.assert(fc.asyncProperty(
    fc.integer({ min: headerBytes, max: car.length - 1 }),
    fc.integer({ min: 0, max: 7 }),
    async (at, bit) => {
      const broken = car.slice();
      broken[at]! ^= 1 << bit;
      const codes = ["invalid_input", "ipfs_mismatch"];
      // A CID's codec is the one thing that its hash does not cover: raw may become dag-pb.
      const read_ = read([broken]).then((blocks) => {
        assert.ok(blocks.some(({ cid }, i) => !cid.equals(dag.blocks[i]!.cid)));
      }, (error) => assert.ok(codes.includes(error.code), String(error)));
      await read_;
    },
  ));
  const ends = new Set([headerBytes]);
  let end = headerBytes;
  for (const { cid, bytes } of dag.blocks) {
    end += encodeVarint(cid.bytes.length + bytes.length).length + cid.bytes.length + bytes.length;
    ends.add(end);
  }
  for (let length = 0; length < car.length; length++) {
    if (ends.has(length)) continue;
    await assert.rejects(read([car.subarray(0, length)]), { code: "invalid_input" }, `${length}`);
  }
});

Deno.test("readCar refuses what is no CARv1, or holds what it cannot verify", async () => {
  const leaf = utf8("leaf");
  const cid = cidOf(RAW, leaf);
  const sha1 = [1, 0x55, 0x11, 20, ...new Array(20).fill(0)];
  const longCid = [1, 0x55, 0x00, 0x80, 0x10, ...new Array(2_048).fill(0)];
  const cases: [string, RegExp, Uint8Array[]][] = [
    ["nothing", /cut off/, []],
    ["a web page", /header/, [utf8("<!doctype html><title>Sorry</title>" + " ".repeat(100))]],
    ["a CARv2", /CARv2/, [Uint8Array.of(0x0a, 0xa1, 0x67, ...utf8("version"), 2)]],
    ["a header of 0 bytes", /0 bytes/, [Uint8Array.of(0)]],
    ["a header of 4,097 bytes", /4097 bytes/, [encodeVarint(4_097)]],
    ["a header of 1 GiB", /1073741824 bytes/, [encodeVarint(2 ** 30)]],
    ["a header that is not CBOR", /header/, [section(new Uint8Array(50))]],
    ["version 3", /header/, [section([...car.subarray(1, headerBytes - 1), 3])]],
    ["endless continuation", /more than 9 bytes/, [new Uint8Array(100).fill(0x80)]],
    ["a varint that is not minimal", /longer than needed/, [Uint8Array.of(0x80, 0)]],
    ["a section of 0 bytes", /0 bytes/, [header, Uint8Array.of(0)]],
    ["a section over 2 MiB", /section of/, [header, encodeVarint(2 * 1024 * 1024 + 70)]],
    ["a section without a block's hash", /not a cid/, [header, section(cid.bytes.subarray(0, 20))]],
    ["sha1", /0x11/, [header, section(sha1, leaf)]],
    ["an identity CID", /identity/, [header, section([1, 0x55, 0, 4, ...leaf])]],
    ["an identity CID of 2 KiB", /not a cid/, [header, section(longCid)]],
    ["a truncated sha2-256", /0x12 of 16 bytes/, [
      header,
      section([1, 0x55, 0x12, 16], new Uint8Array(16)),
    ]],
    ["text behind the blocks", /.*/, [car, utf8("\nerror: deadline exceeded")]],
  ];
  for (const [what, message, parts] of cases) {
    await assert.rejects(read(parts), (error: { code?: string; message: string }) => {
      assert.equal(error.code, "invalid_input", `${what}: ${error.message}`);
      assert.match(error.message, message, what);
      return true;
    });
  }
  const lie = section(cid.bytes, utf8("lead"));
  await assert.rejects(read([header, lie]), { code: "ipfs_mismatch" });
});

Deno.test("blocks of any codec are read, under sha2-256 and sha2-512", async () => {
  const leaf = utf8("leaf");
  const digest = createHash("sha512").update(leaf).digest();
  const cborCid = [1, 0x71, ...cidOf(RAW, leaf).bytes.subarray(2)];
  const jsonCid = [1, 0xa9, 0x02, 0x13, 64, ...digest];
  const blocks = await read([header, section(cborCid, leaf), section(jsonCid, leaf)]);
  assert.deepEqual(blocks.map(({ cid }) => [...cid.bytes]), [cborCid, jsonCid]);
  digest[0]! ^= 1;
  await assert.rejects(read([header, section([...jsonCid.slice(0, 5), ...digest], leaf)]), {
    code: "ipfs_mismatch",
  });
});

Deno.test("a block of 2 MiB is read and one byte more is refused", async () => {
  const most = new Uint8Array(2 * 1024 * 1024);
  const fine = section(cidOf(RAW, most).bytes, most);
  assert.equal((await read([header, fine]))[0]!.bytes.length, most.length);
  const more = new Uint8Array(most.length + 1);
  await assert.rejects(read([header, section(cidOf(RAW, more).bytes, more)]), {
    code: "invalid_input",
  });
});

Deno.test("readCar stops at its limits, which may rise while it reads", async () => {
  const { length } = dag.blocks;
  assert.equal((await read([car], { ...LIMITS, blocksMax: length })).length, length);
  const tooMany = read([car], { ...LIMITS, blocksMax: length - 1 });
  await assert.rejects(tooMany, { code: "invalid_input" });
  await assert.rejects(read([car], { ...LIMITS, bytesMax: 200 }), { code: "invalid_input" });
  const limits = { ...LIMITS, bytesMax: 300 };
  let blocks = 0;
  for await (const _ of readCar(ReadableStream.from([car]), limits)) {
    blocks++;
    limits.bytesMax = LIMITS.bytesMax;
  }
  assert.equal(blocks, length);
});

Deno.test("readCar cancels the stream when its reader has enough", async () => {
  let cancelled = false;
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(car),
    cancel: () => void (cancelled = true),
  });
  for await (const block of readCar(stream, LIMITS)) {
    assert.ok(block.cid.equals(dag.root));
    break;
  }
  assert.ok(cancelled);
});

Deno.test("a block that is wanted somewhere is put there, one that is longer or another is not", async () => {
  const large = new Uint8Array(300_000).fill(7);
  const dag = importFile(large, { chunkBytes: 100_000, widthMax: 10 });
  const [root, leaf] = dag.blocks as [Block, Block];
  const place = new Uint8Array(leaf.bytes.length);
  const reader = () => {
    const pieces = new Blob([writeCar(dag)]).stream();
    return new CarReader(streamSource(pieces), { bytesMax: 1e6, blocksMax: 10 });
  };
  const car = reader();
  const first = await car.next({ key: blockKey(leaf.cid), bytes: place });
  assert.notEqual(first?.bytes, place);
  assert.deepEqual(first?.bytes, root.bytes);
  const second = await car.next({ key: blockKey(leaf.cid), bytes: place });
  assert.equal(second?.bytes, place);
  assert.deepEqual(place, leaf.bytes);
  await Promise.all([first?.verified, second?.verified]);
  assert.equal(await car.next(), null);
  const other = reader();
  await other.next();
  const short = new Uint8Array(10);
  const third = await other.next({ key: blockKey(leaf.cid), bytes: short });
  assert.equal(third?.bytes.length, leaf.bytes.length);
  assert.deepEqual(short, new Uint8Array(10));
  await third?.verified;
});

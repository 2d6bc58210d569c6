import assert from "node:assert/strict";
import {
  blockSection,
  carOf,
  chainOf,
  joined,
  nodeOf,
  rawBlock,
  referenceCar,
  section,
  tinyBlocks,
  utf8,
} from "../../../worlds/content/cars.ts";
import { turnsDuring } from "../../../worlds/event_turns.ts";
import { type Block, CID, cidOf, DAG_CBOR, isContentOf, RAW } from "../../cid.ts";
import { headerNaming, writeCar } from "../../ipfs/car.ts";
import { importFile } from "../../ipfs/dag.ts";
import { Leisure, type Steps } from "../../leisure.ts";
import { PUSH_BLOCKS_MAX } from "../../limits_of_content.ts";
import { CarIntake, takingInto } from "./car_intake.ts";

const FILE = new Uint8Array(1_000).map((_, index) => index % 251 ^ index >> 3);
const DAG = importFile(FILE, { chunkBytes: 100, widthMax: 3 });
const CAR = writeCar(DAG);

/** Takes steps to their end. */
function did<Result>(steps: Steps<Result>): Result {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

function takeIn(root: CID, car: Uint8Array, pieceBytes = car.length, announced = car.length) {
  const intake = new CarIntake(root, announced);
  for (let at = 0; at < car.length; at += pieceBytes) {
    did(intake.take(car.subarray(at, at + pieceBytes)));
  }
  return { places: did(intake.end()), intake };
}

Deno.test("a CAR is taken in whatever pieces, and where its blocks are is found", () => {
  for (const pieceBytes of [1, 7, 64, 1_000, CAR.length]) {
    const { places, intake } = takeIn(DAG.root, CAR, pieceBytes);
    assert.equal(places.length, DAG.blocks.length);
    assert.equal(intake.verified, CAR.length);
    for (const [index, { offset, length, digest }] of places.entries()) {
      const { cid } = DAG.blocks[index]!;
      assert.ok(isContentOf(cid, CAR.subarray(offset, offset + length)));
      assert.equal(digest, cid.multihash.digest.toHex());
    }
  }
});

Deno.test("what was verified ends with a whole block", () => {
  const intake = new CarIntake(DAG.root, CAR.length);
  const ends = new Set([0]);
  let at = 1 + headerNaming(DAG.root).length;
  ends.add(at);
  for (const block of DAG.blocks) ends.add(at += blockSection(block).length);
  for (let byte = 0; byte < CAR.length; byte++) {
    did(intake.take(CAR.subarray(byte, byte + 1)));
    assert.ok(ends.has(intake.verified), String(intake.verified));
  }
  assert.deepEqual([...ends].at(-1), intake.verified);
});

Deno.test("what other writers write is taken: leaves first, small chunks, folders", async () => {
  const large = new Uint8Array(3 * 1024 * 1024).map((_, index) => index * 7 % 256 ^ index >> 9);
  const cases = [
    await referenceCar({ "program.zip": large }, 256 * 1024, false),
    await referenceCar({ "program.zip": large }, 4 * 1024, false),
    await referenceCar({ "program.zip": large }, 256 * 1024, true),
    await referenceCar({ "a/b/main": utf8("#!/bin/sh\n"), "a/c": large }, 1024 * 1024, true),
    await referenceCar({ empty: new Uint8Array() }, 1024, false),
  ];
  for (const { root, bytes } of cases) {
    const { places } = takeIn(root, bytes, 64 * 1024);
    assert.ok(places.length > 0);
  }
});

Deno.test("a root of version 0 is taken as its writer named it", () => {
  const leaf = rawBlock("leaf");
  const node = nodeOf([leaf.cid]);
  const zero = node.cid.toV0();
  const car = joined(
    section(headerNaming(zero)),
    section(zero.bytes, node.bytes),
    blockSection(leaf),
  );
  assert.equal(takeIn(node.cid, car).places.length, 2);
});

Deno.test("links of folders to DAG-CBOR are followed", () => {
  const leaf = rawBlock("leaf");
  const link = joined(Uint8Array.of(0xd8, 42, 0x58, 37, 0), leaf.cid.bytes);
  const bytes = joined(Uint8Array.of(0x82), link, Uint8Array.of(0xf6));
  const cbor = { cid: CID.createV1(DAG_CBOR, cidOf(RAW, bytes).multihash), bytes };
  const root = nodeOf([cbor.cid]);
  assert.equal(takeIn(root.cid, carOf(root.cid, [root, cbor, leaf])).places.length, 3);
  assert.throws(() => takeIn(root.cid, carOf(root.cid, [root, cbor])), /is linked and lacks/);
});

const leaf = rawBlock("leaf");
const other = rawBlock("other");
const root = nodeOf([leaf.cid]);
const sized = (bytes: number) => rawBlock(new Uint8Array(bytes));
const identity = CID.createV1(RAW, {
  code: 0,
  size: 2,
  digest: utf8("hi"),
  bytes: utf8("\0\x02hi"),
});
const badNode = { cid: cidOf(0x70, utf8("no node")), bytes: utf8("no node") };

const HOSTILE: readonly [string, CID, Uint8Array, RegExp][] = [
  ["nothing", root.cid, new Uint8Array(), /is linked and lacks/],
  ["a web page", root.cid, utf8("<html>a captcha, not a CAR</html>".repeat(9)), /header/],
  ["an endless varint", root.cid, new Uint8Array(20).fill(0x80), /varint/],
  ["a varint that is not minimal", root.cid, Uint8Array.of(0x80, 0), /longer than needed/],
  ["a header of a GiB", root.cid, Uint8Array.of(0x80, 0x80, 0x80, 0x80, 4), /header of 1073741824/],
  [
    "a CARv2",
    root.cid,
    section(Uint8Array.of(0xa1, 0x67, ...utf8("version"), 2)),
    /CARv2/,
  ],
  ["another root", leaf.cid, carOf(root.cid, [root, leaf]), /root announced/],
  ["no block", root.cid, carOf(root.cid, []), /is linked and lacks/],
  ["no root block", root.cid, carOf(root.cid, [leaf]), /lacks/],
  ["a child lacks", root.cid, carOf(root.cid, [root]), /is linked and lacks/],
  ["an unrelated block", root.cid, carOf(root.cid, [root, leaf, other]), /nothing links to/],
  ["a block twice", root.cid, carOf(root.cid, [root, leaf, leaf]), /comes twice/],
  [
    "wrong bytes",
    root.cid,
    carOf(root.cid, [root, { cid: leaf.cid, bytes: utf8("fool") }]),
    /bytes that are not/,
  ],
  [
    "a cut-off block",
    root.cid,
    carOf(root.cid, [root, leaf]).subarray(0, -1),
    /: its last 40 bytes are no whole block$/,
  ],
  [
    "bytes behind the last block",
    root.cid,
    joined(carOf(root.cid, [root, leaf]), utf8("\x7f trailing")),
    /: its last 10 bytes are no whole block$/,
  ],
  ["an empty section", root.cid, joined(carOf(root.cid, [root, leaf]), Uint8Array.of(0)), /of 0 b/],
  [
    "Kubo's appended error",
    root.cid,
    joined(carOf(root.cid, [root, leaf]), utf8("\nerror: context deadline exceeded\n")),
    /not a CAR/,
  ],
  [
    "an identity CID",
    root.cid,
    joined(carOf(root.cid, [root, leaf]), section(identity.bytes)),
    /identity/,
  ],
  [
    "a sha1",
    root.cid,
    joined(carOf(root.cid, []), section(Uint8Array.of(1, 0x55, 0x11, 20), new Uint8Array(32))),
    /not sha2-256/,
  ],
  [
    "an unknown codec",
    root.cid,
    joined(carOf(root.cid, []), section(Uint8Array.of(1, 0x72, 0x12, 32), new Uint8Array(32))),
    /none that is kept/,
  ],
  [
    "a block of 3 MiB",
    sized(3 * 2 ** 20).cid,
    carOf(sized(3 * 2 ** 20).cid, [sized(3 * 2 ** 20)]),
    /section/,
  ],
  ["a node that is none", badNode.cid, carOf(badNode.cid, [badNode]), /links of .* cannot be read/],
  ["a deep chain", chainOf(2_000)[0]!.cid, carOf(chainOf(2_000)[0]!.cid, chainOf(2_000)), /deep/],
];

for (const [what, cid, car, message] of HOSTILE) {
  Deno.test(`refused: ${what}`, () => {
    assert.throws(() => takeIn(cid, car), (error: { code: string; message: string }) => {
      assert.match(error.message, message);
      assert.ok(["invalid_input", "ipfs_mismatch"].includes(error.code), error.code);
      return true;
    });
  });
}

Deno.test("the same with one block more in its place is taken", () => {
  assert.equal(takeIn(root.cid, carOf(root.cid, [leaf, root])).places.length, 2);
  assert.equal(
    takeIn(sized(2 ** 21).cid, carOf(sized(2 ** 21).cid, [sized(2 ** 21)])).places.length,
    1,
  );
  const chain = chainOf(60);
  assert.equal(takeIn(chain[0]!.cid, carOf(chain[0]!.cid, chain)).places.length, 60);
});

Deno.test("more bytes than announced are refused with the first of them, fewer at the end", () => {
  assert.throws(() => takeIn(DAG.root, CAR, 100, CAR.length - 1), /more than/);
  assert.throws(() => takeIn(DAG.root, CAR, 100, CAR.length + 1), /it ends after/);
});

Deno.test("a flood of blocks that nobody wants ends at a bound, not in memory", () => {
  const intake = new CarIntake(root.cid, 2 ** 40);
  did(intake.take(section(headerNaming(root.cid))));
  let taken = 0;
  assert.throws(() => {
    for (;; taken++) did(intake.take(blockSection(rawBlock(`block ${taken}`))));
  }, /over 17000 blocks/);
  assert.equal(taken, PUSH_BLOCKS_MAX - 1);
});

Deno.test("others have their turn while blocks are counted that are all here", async () => {
  const blocks = tinyBlocks(4_000);
  const [{ cid }] = blocks as [Block];
  const car = carOf(cid, blocks);
  const intake = new CarIntake(cid, car.length);
  const leisure = new Leisure();
  const taken = await turnsDuring(() => takingInto(intake, leisure)(car));
  // Each is a block, and each but one a link.
  assert.ok(taken >= 2 * 4_000 / 64, `${taken} turns`);
  const links = nodeOf(Array.from({ length: 8_000 }, () => leaf.cid));
  const few = carOf(links.cid, [links, leaf]);
  const same = new CarIntake(links.cid, few.length);
  const linked = await turnsDuring(() => takingInto(same, leisure)(few));
  assert.ok(linked >= 8_000 / 64, `${linked} turns`);
  const wide = new CarIntake(cid, car.length);
  did(wide.take(car));
  assert.ok([...wide.end()].length >= 4, "and while the DAG is walked");
});

Deno.test("bombs of few blocks and many links are counted by their blocks", () => {
  const empty = rawBlock("");
  let [level, blocks] = [empty, [empty]];
  for (let depth = 0; depth < 6; depth++) {
    level = nodeOf(Array.from({ length: 1_000 }, () => level.cid));
    blocks = [level, ...blocks];
  }
  assert.equal(takeIn(level.cid, carOf(level.cid, blocks)).places.length, 7);
});

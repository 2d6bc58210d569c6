import assert from "node:assert/strict";
import * as dagCbor from "@ipld/dag-cbor";
import fc from "fast-check";
import { createUnsafe } from "multiformats/block";
import { CID, cidOf, RAW } from "../cid.ts";
import { dagCborLinks } from "./dag_cbor.ts";

const cids = fc.uint8Array({ maxLength: 8 }).map((bytes) => cidOf(RAW, bytes));
const { data } = fc.letrec<{ data: unknown }>((tie) => ({
  data: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    cids,
    fc.uint8Array({ maxLength: 300 }),
    fc.string(),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom(null, true, false),
    fc.array(tie("data"), { maxLength: 40 }),
    // In an object, keys that are numbers come first, wherever the block has them.
    fc.dictionary(fc.string().map((key) => `k${key}`), tie("data"), { maxKeys: 30 }),
  ),
}));

function referenceLinks(bytes: Uint8Array): string[] {
  const cid = CID.createV1(dagCbor.code, cidOf(RAW, bytes).multihash);
  // deno-lint-ignore no-explicit-any
  const block = createUnsafe({ cid, bytes, codec: dagCbor as any });
  return [...block.links()].map(([, link]) => String(link));
}

const links = (bytes: Uint8Array) => dagCborLinks(bytes).map((link) => String(CID.decode(link)));

Deno.test("the links of anything are those that the reference library finds", () => {
  fc.assert(
    fc.property(data, (value) => {
      const bytes = new Uint8Array(dagCbor.encode(value));
      assert.deepEqual(links(bytes), referenceLinks(bytes));
    }),
    { numRuns: 300 },
  );
});

Deno.test("what is cut off, or goes on, is refused", () => {
  const bytes = new Uint8Array(dagCbor.encode({ a: [cidOf(RAW, new Uint8Array()), "text", 1.5] }));
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => dagCborLinks(bytes.subarray(0, length)), { code: "invalid_input" });
  }
  assert.throws(() => dagCborLinks(Uint8Array.of(...bytes, 0)), /bytes behind/);
});

Deno.test("what DAG-CBOR does not have is refused", () => {
  const cases: [RegExp, number[]][] = [
    [/indefinite/, [0x9f, 0xff]],
    [/indefinite/, [0x1c]],
    [/tag 1$/, [0xc1, 0x00]],
    [/no byte string/, [0xd8, 0x2a, 0x00]],
    [/zero before/, [0xd8, 0x2a, 0x41, 0x01]],
    [/zero before/, [0xd8, 0x2a, 0x40]],
    [/simple/, [0xf8, 0x20]],
    [/cut off/, [0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
    [/cut off/, [0xbb, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
    [/cut off/, [0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
  ];
  for (const [message, bytes] of cases) {
    assert.throws(() => dagCborLinks(Uint8Array.from(bytes)), message, String(bytes));
  }
});

Deno.test("a block of two million levels, or of as many maps, is passed over", () => {
  const deep = new Uint8Array(2 * 1024 * 1024).fill(0x81);
  deep[deep.length - 1] = 0;
  assert.deepEqual(dagCborLinks(deep), []);
  const wide = new Uint8Array(2 * 1024 * 1024).fill(0xa0);
  wide.set([0x9a, 0x00, 0x1f, 0xff, 0xfb]);
  assert.deepEqual(dagCborLinks(wide), []);
});

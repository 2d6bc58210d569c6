import assert from "node:assert/strict";
import fc from "fast-check";
import { CID, cidOf, DAG_CBOR, formatCid, RAW } from "../cid.ts";
import { linksOfCbor } from "./dag_cbor.ts";
import { linksOf } from "./links.ts";

const leaf = cidOf(RAW, new Uint8Array([1]));
const cbor = CID.createV1(DAG_CBOR, cidOf(RAW, new Uint8Array([2])).multihash);
const link = (cid: CID) => [0xd8, 42, 0x58, cid.bytes.length + 1, 0, ...cid.bytes];
const text = (value: string) => [0x60 + value.length, ...new TextEncoder().encode(value)];

Deno.test("links are found wherever they are in the data, and nothing else is", () => {
  const cases: [number[], CID[]][] = [
    [[0xa0], []],
    [[0xf6], []],
    [[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], []],
    [[0xfb, 0, 0, 0, 0, 0, 0, 0, 0], []],
    [link(leaf), [leaf]],
    [[0x82, ...link(leaf), ...link(cbor)], [leaf, cbor]],
    [[0xa2, ...text("a"), 0x81, 0x81, ...link(leaf), ...text("bc"), ...link(leaf)], [leaf, leaf]],
    // What looks like a link inside a byte string is none.
    [[0x58, link(leaf).length, ...link(leaf)], []],
  ];
  for (const [bytes, links] of cases) {
    assert.deepEqual(linksOfCbor(Uint8Array.from(bytes)).map(formatCid), links.map(formatCid));
  }
});

Deno.test("what DAG-CBOR does not have is refused", () => {
  const identity = [0x01, 0x55, 0x00, 0x02, 1, 2];
  const cases: [number[], RegExp][] = [
    [[], /cut off/],
    [[0xa0, 0], /behind its end/],
    [[0x82, 0], /cut off/],
    [[0x9f, 0xff], /indefinite/],
    [[0x5f, 0xff], /indefinite/],
    [[0xf7], /does not have/],
    [[0xf9, 0, 0], /does not have/],
    [[0xc1, 0], /tag 1/],
    [[0xd8, 42, 0x41, 1], /zero first/],
    [[0xd8, 42, 0x60], /zero first/],
    [link(leaf).slice(0, -1), /zero first/],
    [[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], /cut off/],
    [[0xbb, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], /cut off/],
    [[0x5b, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], /cut off/],
    [[0xd8, 42, 0x40 + identity.length + 2, 0, ...identity, 9], /behind its CID/],
  ];
  for (const [bytes, message] of cases) {
    assert.throws(() => linksOfCbor(Uint8Array.from(bytes)), { code: "invalid_input", message });
  }
});

Deno.test("whatever bytes come, the walk ends and refuses in words", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    try {
      linksOfCbor(bytes);
    } catch (error) {
      assert.ok(["invalid_input", "invalid_cid"].includes((error as { code: string }).code));
    }
  }));
});

Deno.test("a nest as deep as its block is walked over like any other", () => {
  assert.deepEqual(linksOfCbor(new Uint8Array(100_000).fill(0x81, 0, 99_999)), []);
});

Deno.test("inline blocks are looked through", () => {
  const inner = Uint8Array.from(link(leaf));
  const inline = CID.createV1(DAG_CBOR, {
    code: 0,
    size: inner.length,
    digest: inner,
    bytes: Uint8Array.of(0, inner.length, ...inner),
  });
  const outer = Uint8Array.from(link(inline));
  assert.deepEqual(linksOf(cbor, outer).map(formatCid), [formatCid(leaf)]);
  assert.deepEqual(linksOf(leaf, outer), []);
});

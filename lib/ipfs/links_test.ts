import assert from "node:assert/strict";
import * as dagJson from "@ipld/dag-json";
import * as dagPb from "@ipld/dag-pb";
import fc from "fast-check";
import { createUnsafe } from "multiformats/block";
import { CID, cidOf, DAG_PB, RAW } from "../cid.ts";
import { CBOR, DAG_JSON, JSON_CODEC } from "./content_cid.ts";
import { linksOf } from "./links.ts";

const cids = fc.uint8Array({ maxLength: 8 }).map((bytes) => cidOf(RAW, bytes));
const TRAPS = ['{"/":"x"}', '{"/":', '"/"', '\\"', "{", "/", '{\\"/\\":\\"'];
const { data } = fc.letrec<{ data: unknown }>((tie) => ({
  data: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    cids,
    fc.uint8Array({ maxLength: 20 }),
    fc.constantFrom(...TRAPS),
    fc.string(),
    fc.integer(),
    fc.array(tie("data"), { maxLength: 10 }),
    fc.dictionary(fc.constantFrom("a", "{", 'b"', '{"', "c\\"), tie("data")),
  ),
}));

const named = (code: number, bytes: Uint8Array) => CID.createV1(code, cidOf(RAW, bytes).multihash);
const links = (cid: CID, bytes: Uint8Array) =>
  linksOf(cid, bytes).map((link) => String(CID.decode(link)));

Deno.test("the links of DAG-JSON are those that the reference library finds", () => {
  fc.assert(
    fc.property(data, (value) => {
      const bytes = new Uint8Array(dagJson.encode(value));
      const cid = named(DAG_JSON, bytes);
      // deno-lint-ignore no-explicit-any
      const block = createUnsafe({ cid, bytes, codec: dagJson as any });
      assert.deepEqual(links(cid, bytes), [...block.links()].map(([, link]) => String(link)));
    }),
    { numRuns: 500 },
  );
});

Deno.test("links of a dag-pb node, in their order; what has none has none", () => {
  const leaves = [1, 2, 1].map((byte) => cidOf(RAW, Uint8Array.of(byte)));
  const bytes = dagPb.encode({ Links: leaves.map((Hash) => ({ Name: "", Hash, Tsize: 1 })) });
  assert.deepEqual(links(named(DAG_PB, bytes), bytes), leaves.map(String));
  for (const code of [RAW, CBOR, JSON_CODEC]) {
    assert.deepEqual(links(named(code, bytes), bytes), []);
  }
});

Deno.test("a codec that is not read is said to be so", () => {
  const bytes = Uint8Array.of(1);
  assert.throws(() => linksOf(named(0x0300, bytes), bytes), { code: "not_implemented" });
});

import assert from "node:assert/strict";
import { nodeOf, rawBlock } from "../../../worlds/content/cars.ts";
import type { CID } from "../../cid.ts";
import { PUSH_LINKS_MAX } from "../../limits_of_content.ts";
import { type BlockName, DagTally } from "./dag_tally.ts";

const leaf = rawBlock("leaf").cid;
const [middle, top] = [nodeOf([leaf]).cid, nodeOf([leaf, leaf]).cid];

const named = ({ code, multihash }: CID): BlockName => ({ code, digest: multihash.digest.toHex() });

function add(tally: DagTally, cid: CID, links: readonly CID[]): void {
  const noteLink = tally.add(named(cid));
  for (const link of links) noteLink(named(link));
}

const assertWhole = (tally: DagTally) => void [...tally.assertWhole()];

Deno.test("a DAG is whole in whatever order its blocks come", () => {
  const blocks: [CID, CID[]][] = [[top, [middle, leaf]], [middle, [leaf, leaf]], [leaf, []]];
  for (const order of [[0, 1, 2], [2, 1, 0], [1, 2, 0]]) {
    const tally = new DagTally(named(top));
    for (const index of order) add(tally, ...blocks[index]!);
    assertWhole(tally);
  }
});

Deno.test("what lacks and what is one too many is named", () => {
  const lacking = new DagTally(named(top));
  add(lacking, top, [middle]);
  assert.throws(() => assertWhole(lacking), { message: new RegExp(`${middle} is linked`) });
  const more = new DagTally(named(leaf));
  add(more, leaf, []);
  add(more, middle, [leaf]);
  assert.throws(() => assertWhole(more), { message: new RegExp(`nothing links to ${middle}`) });
});

Deno.test("the same hash under another codec is another block: its links count", () => {
  const bytes = nodeOf([leaf]);
  const asRaw = rawBlock(bytes.bytes);
  const tally = new DagTally(named(top));
  add(tally, top, [bytes.cid]);
  add(tally, asRaw.cid, []);
  assert.throws(() => assertWhole(tally), /is linked and lacks/);
});

Deno.test("links are bounded over all blocks", () => {
  const targets = Array.from({ length: 8_000 }, (_, index) => rawBlock(`leaf ${index}`).cid);
  const tally = new DagTally(named(top));
  assert.throws(() => {
    for (let count = 0;; count++) {
      add(tally, rawBlock(`parent ${count}`).cid, targets);
      assert.ok(count * targets.length < PUSH_LINKS_MAX + targets.length);
    }
  }, /over 262144 links/);
});

import assert from "node:assert/strict";
import { nodeOf, rawBlock } from "../../../worlds/content/cars.ts";
import type { CID } from "../../cid.ts";
import { PUSH_LINKS_MAX } from "../../limits_of_content.ts";
import { DagTally } from "./dag_tally.ts";

const leaf = rawBlock("leaf").cid;
const [middle, top] = [nodeOf([leaf]).cid, nodeOf([leaf, leaf]).cid];

Deno.test("a DAG is whole in whatever order its blocks come", () => {
  const blocks: [CID, CID[]][] = [[top, [middle, leaf]], [middle, [leaf, leaf]], [leaf, []]];
  for (const order of [[0, 1, 2], [2, 1, 0], [1, 2, 0]]) {
    const tally = new DagTally(top);
    for (const index of order) tally.add(...blocks[index]!);
    tally.assertWhole();
  }
});

Deno.test("what lacks and what is one too many is named", () => {
  const lacking = new DagTally(top);
  lacking.add(top, [middle]);
  assert.throws(() => lacking.assertWhole(), { message: new RegExp(`${middle} is linked`) });
  const more = new DagTally(leaf);
  more.add(leaf, []);
  more.add(middle, [leaf]);
  assert.throws(() => more.assertWhole(), { message: new RegExp(`nothing links to ${middle}`) });
});

Deno.test("the same hash under another codec is another block: its links count", () => {
  const bytes = nodeOf([leaf]);
  const asRaw = rawBlock(bytes.bytes);
  const tally = new DagTally(top);
  tally.add(top, [bytes.cid]);
  tally.add(asRaw.cid, []);
  assert.throws(() => tally.assertWhole(), /is linked and lacks/);
});

Deno.test("links are bounded over all blocks", () => {
  const targets = Array.from({ length: 8_000 }, (_, index) => rawBlock(`leaf ${index}`).cid);
  const tally = new DagTally(top);
  assert.throws(() => {
    for (let count = 0;; count++) {
      tally.add(rawBlock(`parent ${count}`).cid, targets);
      assert.ok(count * targets.length < PUSH_LINKS_MAX + targets.length);
    }
  }, /over 262144 links/);
});

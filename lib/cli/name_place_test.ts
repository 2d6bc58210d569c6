import assert from "node:assert/strict";
import type { CidText } from "../cid.ts";
import { before, presentIndex } from "./name_place.ts";

const [a, b, c] = ["a", "b", "c"] as unknown as [CidText, CidText, CidText];
const points = (...cids: (CidText | null)[]) => cids.map((cid, at) => ({ cid, at }));

Deno.test("the deployment before is the one below the present one in the name's history", () => {
  assert.equal(before(points(a, b, c), c), b);
  // A rollback is an entry, too: the next one goes forth again.
  assert.equal(before(points(a, b, c, b), b), c);
  assert.equal(before(points(a, b, c, b, c), c), b);
  assert.equal(before(points(a, null, b), b), a);
  assert.equal(before(points(a, a), a), null);
  // Where only deployments are known, in their order, the present one may be any of them.
  assert.equal(before(points(a, b, c), b), a);
  assert.equal(before(points(a, b, c), a), null);
});

Deno.test("of a name that points nowhere it is the latest, and nothing where there was none", () => {
  assert.equal(before(points(a, b, null), null), b);
  assert.equal(before(points(a, b), null), b);
  assert.equal(before([], null), null);
  assert.equal(before(points(a), c), a);
});

Deno.test("one entry is the present one, the latest that points there", () => {
  assert.equal(presentIndex(points(a, b, a), a), 2);
  assert.equal(presentIndex(points(a, b, a, null), null), 3);
  assert.equal(presentIndex(points(a, b), c), -1);
});

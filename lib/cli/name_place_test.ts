import assert from "node:assert/strict";
import type { CidText } from "../cid.ts";
import { before } from "./name_place.ts";

const [a, b, c] = ["a", "b", "c"] as unknown as [CidText, CidText, CidText];
const points = (...cids: (CidText | null)[]) => cids.map((cid, at) => ({ cid, at }));

Deno.test("the deployment before is the one that the name came to before the present one", () => {
  assert.equal(before(points(a, b, c), c), b);
  // After a rollback the next one goes further back, not forth again.
  assert.equal(before(points(a, b, c, b), b), a);
  assert.equal(before(points(a, b, c, b, a), a), null);
  assert.equal(before(points(a, null, b), b), a);
});

Deno.test("of a name that points nowhere it is the latest, and nothing where there was none", () => {
  assert.equal(before(points(a, b, null), null), b);
  assert.equal(before([], null), null);
  assert.equal(before(points(a), c), null);
});

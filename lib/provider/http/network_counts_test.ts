import assert from "node:assert/strict";
import { NetworkCounts } from "./network_counts.ts";

Deno.test("a network has so many, others have theirs, and who stands for many has no bound", () => {
  const counts = new NetworkCounts(2);
  const add = (network: string | null) => counts.add(network);
  assert.deepEqual(["a", "a", "a", "b"].map(add), [true, true, false, true]);
  counts.remove("a");
  assert.deepEqual(["a", "a"].map(add), [true, false]);
  assert.deepEqual([null, null, null].map(add), [true, true, true]);
  counts.remove(null);
  counts.remove("b");
  assert.deepEqual(["b", "b", "b"].map(add), [true, true, false]);
});

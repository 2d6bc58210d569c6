import assert from "node:assert/strict";
import { createRecent, MOVED_MS } from "./lru.ts";

Deno.test("what was not used for longest makes room, and only when there is none", () => {
  let clock = 0;
  const recent = createRecent<number>(2, () => clock);
  recent.set("a", 1);
  recent.set("b", 2);
  assert.deepEqual([recent.get("a"), recent.get("b"), recent.get("c")], [1, 2, undefined]);
  clock += MOVED_MS;
  assert.equal(recent.get("a"), 1);
  recent.set("c", 3);
  assert.deepEqual([recent.get("a"), recent.get("b"), recent.get("c")], [1, undefined, 3]);
  recent.set("c", 4);
  assert.deepEqual([recent.get("a"), recent.get("c")], [1, 4]);
});

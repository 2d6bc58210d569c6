import assert from "node:assert/strict";
import { Lru, MOVE_INTERVAL_MS } from "./lru.ts";

function lruOf(most: number) {
  const clock = { ms: 0 };
  return { clock, lru: new Lru<string, number>(most, () => clock.ms) };
}

Deno.test("Lru forgets what was not used for longest", () => {
  const { clock, lru } = lruOf(2);
  lru.set("a", 1);
  lru.set("b", 2);
  clock.ms = MOVE_INTERVAL_MS;
  assert.equal(lru.get("a"), 1);
  lru.set("c", 3);
  assert.equal(lru.get("b"), undefined);
  assert.deepEqual([lru.get("a"), lru.get("c")], [1, 3]);
});

Deno.test("Lru takes a use soon after another for none", () => {
  const { clock, lru } = lruOf(2);
  lru.set("a", 1);
  lru.set("b", 2);
  clock.ms = MOVE_INTERVAL_MS - 1;
  assert.equal(lru.get("a"), 1);
  lru.set("c", 3);
  assert.equal(lru.get("a"), undefined);
});

Deno.test("Lru counts a look as no use", () => {
  const { clock, lru } = lruOf(2);
  lru.set("a", 1);
  lru.set("b", 2);
  clock.ms = MOVE_INTERVAL_MS;
  assert.equal(lru.peek("a"), 1);
  assert.deepEqual([...lru.keys()], ["a", "b"]);
  lru.set("c", 3);
  assert.equal(lru.peek("a"), undefined);
});

Deno.test("Lru forgets what it is told to", () => {
  const { lru } = lruOf(2);
  lru.set("a", 1);
  lru.delete("a");
  assert.equal(lru.get("a"), undefined);
});

Deno.test("Lru makes what is not there, once, and it counts as used", () => {
  const { clock, lru } = lruOf(2);
  let made = 0;
  const make = () => ++made;
  assert.deepEqual([1, 2].map(() => lru.getOrInsertComputed("a", make)), [1, 1]);
  lru.set("b", 9);
  clock.ms = MOVE_INTERVAL_MS;
  assert.equal(lru.getOrInsertComputed("a", make), 1);
  assert.equal(lru.getOrInsertComputed("c", make), 2);
  assert.deepEqual([lru.get("a"), lru.get("b"), lru.get("c")], [1, undefined, 2]);
});

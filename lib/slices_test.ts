import assert from "node:assert/strict";
import { inSlices, SLICE_ITEMS } from "./slices.ts";

Deno.test("between two slices the event loop turns, within one it does not", async () => {
  const items = Array.from({ length: 2 * SLICE_ITEMS + 1 }, (_, n) => n);
  const seen: number[] = [];
  const atTurns: number[] = [];
  let isOver = false;
  const count = () => {
    if (isOver) return;
    atTurns.push(seen.length);
    setImmediate(count);
  };
  setImmediate(count);
  await inSlices(items, (item) => seen.push(item));
  isOver = true;
  assert.deepEqual(seen, items);
  for (const at of [SLICE_ITEMS, 2 * SLICE_ITEMS]) assert.ok(atTurns.includes(at), `${atTurns}`);
});

Deno.test("what takes long has a turn of its own", async () => {
  let turns = 0;
  const atTurns: number[] = [];
  let isOver = false;
  const count = () => {
    turns += 1;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  await inSlices([1, 2, 3], () => {
    atTurns.push(turns);
    for (const from = performance.now(); performance.now() - from < 6;);
  });
  isOver = true;
  assert.deepEqual(new Set(atTurns).size, 3);
});

Deno.test("nothing is a slice of nothing", async () => {
  await inSlices([], () => assert.fail());
});

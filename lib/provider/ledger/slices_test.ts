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
  const slices = [...new Set(atTurns)].filter((at) => at < items.length);
  assert.deepEqual(slices, [SLICE_ITEMS, 2 * SLICE_ITEMS]);
});

Deno.test("nothing is a slice of nothing", async () => {
  await inSlices([], () => assert.fail());
});

import assert from "node:assert/strict";
import { BlockTimes } from "./block_times.ts";

/** Blocks are heard of at these times, ms, one after the other. */
function heard(...times: number[]): BlockTimes {
  const blocks = new BlockTimes();
  for (const [index, at] of times.entries()) blocks.note(BigInt(index + 1), at);
  return blocks;
}

Deno.test("a block is new once", () => {
  const blocks = new BlockTimes();
  // Before the first one nobody knows what was.
  assert.equal(blocks.note(5n, 0), false);
  assert.equal(blocks.note(5n, 10), false);
  assert.equal(blocks.note(6n, 20), true);
  assert.equal(blocks.note(5n, 30), false, "an endpoint that lags tells nothing new");
  assert.equal(blocks.note(6n, 40), false);
  assert.equal(blocks.note(9n, 50), true);
});

Deno.test("before a beat is known it is looked for often, and then seldom", () => {
  const blocks = new BlockTimes();
  assert.equal(blocks.pauseMs(0, 0), 30);
  assert.equal(blocks.pauseMs(3_000, 0), 30);
  assert.equal(blocks.pauseMs(3_001, 0), 250);
  blocks.note(1n, 0);
  assert.equal(blocks.pauseMs(100, 0), 30);
});

Deno.test("around the next block of a beat, and not between", () => {
  const blocks = heard(0, 1_000, 2_000);
  assert.equal(blocks.pauseMs(2_000, 2_000), 985);
  assert.equal(blocks.pauseMs(2_500, 2_000), 485);
  assert.equal(blocks.pauseMs(2_980, 2_000), 15);
  assert.equal(blocks.pauseMs(2_999, 2_000), 15);
  // It is late, and may come at any moment.
  assert.equal(blocks.pauseMs(3_001, 2_000), 15);
  assert.equal(blocks.pauseMs(3_299, 2_000), 15);
  // So late that the next one is waited for.
  assert.equal(blocks.pauseMs(3_300, 2_000), 685);
});

Deno.test("several blocks at once tell the beat of one", () => {
  const blocks = new BlockTimes();
  blocks.note(1n, 0);
  blocks.note(5n, 4_000);
  assert.equal(blocks.pauseMs(4_000, 4_000), 985);
});

Deno.test("a beat that changes is followed, and one far off begins anew", () => {
  const slower = heard(0, 1_000, 2_000, 3_100);
  assert.equal(Math.round(slower.pauseMs(3_100, 3_100)), 1_015);
  for (const far of [3_001, 300]) {
    const blocks = heard(0, 1_000, 1_000 + far);
    assert.equal(Math.round(blocks.pauseMs(1_000 + far, 1_000 + far)), far - 15);
  }
  const near = heard(0, 1_000, 4_000);
  assert.equal(Math.round(near.pauseMs(4_000, 4_000)), 1_585);
});

Deno.test("a beat that was heard long ago is none", () => {
  const blocks = heard(0, 1_000);
  assert.equal(blocks.pauseMs(41_001, 41_001), 30);
  assert.equal(blocks.pauseMs(41_001, 38_000), 250);
  assert.notEqual(blocks.pauseMs(40_900, 40_900), 30);
});

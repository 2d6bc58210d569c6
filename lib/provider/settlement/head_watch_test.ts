import assert from "node:assert/strict";
import type { Hex } from "viem";
import { HeadWatch } from "./head_watch.ts";

const POLL_MS = 2_000;
/** Unix seconds. */
const START = 1_700_000_000;

function open(secondsMax: number | null = 120) {
  const clock = { now: START * 1_000 };
  const watch = new HeadWatch(POLL_MS, secondsMax, () => clock.now);
  let number = 0n;
  return {
    clock,
    watch,
    /** A block that was made so many seconds ago by the clock here. */
    hear(age = 0): void {
      number += 1n;
      const hash: Hex = `0x${number}`;
      const timestamp = BigInt(Math.floor(clock.now / 1_000) - age);
      watch.hear({ number, hash, parentHash: "0x", timestamp });
      watch.heard();
    },
  };
}

Deno.test("a chain is current for three looks after it was heard of", () => {
  const { clock, watch, hear } = open();
  assert.deepEqual([watch.isCurrent(), watch.ageMs(), watch.headAgeMs()], [
    false,
    Infinity,
    Infinity,
  ]);
  hear();
  clock.now += 3 * POLL_MS;
  assert.deepEqual([watch.isCurrent(), watch.alarms(0)], [true, []]);
  clock.now += 1;
  assert.equal(watch.isCurrent(), false);
  assert.deepEqual(watch.alarms(0), ["the chain was not heard of for 6 s"]);
});

Deno.test("before it was ever heard of nothing is wrong for three looks", () => {
  const { clock, watch } = open();
  assert.deepEqual(watch.alarms(0), []);
  clock.now += 60_000;
  assert.deepEqual(watch.alarms(0), ["the chain was not heard of for 60 s"]);
});

Deno.test("a node whose head is too old stands still, though it answers", () => {
  const { clock, watch, hear } = open();
  hear();
  clock.now += 120_000;
  watch.heard();
  assert.deepEqual([watch.isCurrent(), watch.isStandingStill()], [true, false]);
  clock.now += 1_000;
  watch.heard();
  assert.deepEqual([watch.isCurrent(), watch.isStandingStill()], [false, true]);
  assert.deepEqual(watch.alarms(0), ["the node stands still: its newest block is 121 s old"]);
  hear();
  assert.deepEqual([watch.isCurrent(), watch.alarms(0)], [true, []]);
});

Deno.test("where blocks come with transactions a head may have any age", () => {
  const { clock, watch, hear } = open(null);
  hear(86_400);
  clock.now += 86_400_000;
  watch.heard();
  assert.deepEqual([watch.isCurrent(), watch.alarms(0)], [true, []]);
});

Deno.test("a chain that has gone back for long is told of", () => {
  const { clock, watch, hear } = open();
  hear();
  clock.now += 7_000;
  assert.deepEqual(watch.alarms(7_000), ["the node has gone back: its chain is shorter for 7 s"]);
});

Deno.test("clocks that differ by more than 30 s are told of, whichever is ahead", () => {
  const { watch, hear } = open(null);
  hear(31);
  assert.deepEqual(watch.alarms(0), [], "nothing may have happened before we came");
  hear(30);
  assert.deepEqual(watch.alarms(0), []);
  hear(31);
  assert.match(watch.alarms(0).join(), /clock differs: a new block's time is 31 s behind ours/);
  hear(-31);
  assert.match(watch.alarms(0).join(), /31 s ahead of ours/);
  hear();
  assert.deepEqual(watch.alarms(0), []);
});

Deno.test("the time of the newest block is told, ms", () => {
  const { clock, watch, hear } = open();
  assert.equal(watch.timeMs(), 0);
  hear(-600);
  assert.equal(watch.timeMs(), clock.now + 600_000);
});

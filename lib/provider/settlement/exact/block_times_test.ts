import assert from "node:assert/strict";
import { BlockTimes } from "./block_times.ts";

/** One that has heard the blocks of a chain with a beat of 1,000 ms, at 0, 1,000 and 2,000 ms. */
function inStep(): BlockTimes {
  const times = new BlockTimes();
  for (const beat of [0, 1, 2]) {
    times.note(BigInt(beat), 1_000 * beat - 10);
    times.note(BigInt(beat + 1), 1_000 * beat);
  }
  return times;
}

/** Made at these times, in order, ms: block 0 first. */
type Chain = readonly number[];

/** @param jitterMs the most that a block is off its beat */
function chainOf(periodMs: number, blocks: number, jitterMs = 0): Chain {
  return Array.from(
    { length: blocks },
    (_, block) => block * periodMs + jitterMs * Math.sin(12.9898 * block),
  );
}

/**
 * Waits for a block on and on, looking when told to.
 * @param gapMs how long nobody waits before the `wait`th time
 * @returns how late each block was seen, ms, and how many looks a wait took
 */
function waitOn(chain: Chain, waits: number, gapMs: (wait: number) => number) {
  const times = new BlockTimes();
  const late: number[] = [];
  let [now, looks, head] = [chain[2]! + 1, 0, 2];
  const look = () => {
    while (chain[head + 1]! <= now) head++;
    looks++;
    return times.note(BigInt(head), now);
  };
  for (let wait = 0; wait < waits; wait++) {
    now += gapMs(wait);
    let since = now;
    look();
    const begun = head;
    while (head === begun) {
      now += times.pauseMs(now, since);
      if (look()) since = now;
    }
    late.push(now - chain[begun + 1]!);
  }
  late.sort((a, b) => a - b);
  return { median: late[waits >> 1]!, looks: looks / waits };
}

Deno.test("before a beat is known looks come soon, and less often the longer nothing comes", () => {
  const times = new BlockTimes();
  assert.equal(times.pauseMs(0, 0), 30);
  times.note(7n, 0);
  assert.equal(times.pauseMs(300, 0), 30);
  assert.equal(times.pauseMs(1_200, 0), 100);
  assert.equal(times.pauseMs(60_000, 0), 250);
});

Deno.test("the first block that is seen is no new one, the next is", () => {
  const times = new BlockTimes();
  assert.equal(times.note(7n, 0), false);
  assert.equal(times.note(7n, 10), false);
  assert.equal(times.note(8n, 20), true);
});

Deno.test("in step, looks begin shortly before the next block and stay close", () => {
  const times = inStep();
  const untilNext = times.pauseMs(2_010, 2_010);
  assert.ok(untilNext > 940 && untilNext < 980, `${untilNext}`);
  assert.equal(times.pauseMs(2_990, 2_010), 15);
  assert.equal(times.pauseMs(3_050, 2_010), 15);
});

Deno.test("a late block is looked for in growing pauses, but never past the next beat", () => {
  const times = inStep();
  assert.equal(times.pauseMs(3_600, 2_010), 50);
  assert.ok(times.pauseMs(3_945, 2_010) <= 30);
});

Deno.test("what the first look of a wait finds does not tell when it came", () => {
  const times = inStep();
  // In the midst of a beat: block 6 has come at some time in the last 3.4 s.
  assert.equal(times.note(6n, 5_400), true);
  const untilNext = times.pauseMs(5_400, 5_400);
  assert.ok(untilNext > 540 && untilNext < 600, `${untilNext}`);
});

Deno.test("a beat that went by without a block does not make the next one late", () => {
  const times = inStep();
  times.note(3n, 3_990);
  times.note(4n, 4_000);
  const untilNext = times.pauseMs(4_010, 4_010);
  assert.ok(untilNext > 930 && untilNext < 980, `${untilNext}`);
});

Deno.test("blocks that come faster than they did are expected sooner", () => {
  const times = inStep();
  times.note(23n, 4_000);
  assert.ok(times.pauseMs(4_000, 4_000) <= 100);
});

Deno.test("an endpoint that is behind is no news", () => {
  const times = inStep();
  const before = times.pauseMs(2_500, 2_500);
  assert.equal(times.note(1n, 2_500), false);
  assert.equal(times.pauseMs(2_500, 2_500), before);
});

Deno.test("a beat that nobody has heard for long is looked for anew", () => {
  const times = inStep();
  assert.equal(times.pauseMs(100_000, 100_000), 30);
});

Deno.test("blocks are seen when they come, whenever a wait begins, by few looks", async (t) => {
  for (
    const [periodMs, jitterMs, gapMs] of [
      [250, 5, 700],
      [1_000, 0, 1_300],
      [1_000, 10, 9_000],
      [2_000, 30, 20_000],
      [12_000, 20, 12_000],
    ] as const
  ) {
    await t.step(`each ${periodMs} ms, ${jitterMs} more or less`, () => {
      const chain = chainOf(periodMs, 3_000, jitterMs);
      const { median, looks } = waitOn(chain, 100, (wait) => gapMs * (wait * 0.618 % 1));
      assert.ok(median <= 20, `${median} ms late`);
      assert.ok(looks <= 15, `${looks} looks`);
    });
  }
});

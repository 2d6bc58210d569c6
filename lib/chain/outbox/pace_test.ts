import assert from "node:assert/strict";
import { manualClock } from "../../../worlds/clock.ts";
import { Pace } from "./pace.ts";

/** A pace of 20 to 80 ms on a clock moved by hand; looks end when told. */
function startPace(dueInMs: () => number | null) {
  const clock = manualClock(0);
  const looks: number[] = [];
  const look = () => Promise.resolve(void looks.push(clock.now()));
  const pace = new Pace(look, dueInMs, { firstMs: 20, lastMs: 80 }, clock.after);
  /** Moves the clock in steps, so that a look that is due has ended before the next. */
  const pass = async (ms: number) => {
    for (let passed = 0; passed <= ms; passed += 10) {
      clock.advance(passed === 0 ? 0 : 10);
      for (let turn = 0; turn < 5; turn++) await null;
    }
  };
  return { clock, looks, pace, pass };
}

Deno.test("it looks at once, then in pauses that grow up to the last", async () => {
  const { clock, looks, pace, pass } = startPace(() => Infinity);
  pace.hurry();
  await pass(380);
  assert.deepEqual(looks, [0, 20, 60, 140, 220, 300, 380]);
  await pace.close();
  assert.equal(clock.pending(), 0);
});

Deno.test("something new brings the next look forward, and never puts it off", async () => {
  const { looks, pace, pass } = startPace(() => Infinity);
  pace.hurry();
  await pass(150);
  pace.hurry();
  await pass(10);
  pace.hurry();
  await pass(20);
  assert.deepEqual(looks, [0, 20, 60, 140, 170]);
  await pace.close();
});

Deno.test("it looks when the time of something is up, and not when there is nothing", async () => {
  let dueInMs: number | null = 10;
  const { clock, looks, pace, pass } = startPace(() => dueInMs);
  pace.hurry();
  await pass(20);
  dueInMs = null;
  await pass(100);
  assert.equal(clock.pending(), 0);
  assert.deepEqual(looks, [0, 10, 20, 30]);
});

import assert from "node:assert/strict";
import { manualClock } from "../../../worlds/clock.ts";
import { OutputPace } from "./output_pace.ts";

Deno.test("a burst passes at once, and what follows at its pace", async () => {
  const clock = manualClock();
  const pace = new OutputPace(clock);
  assert.equal(pace.take(1024 * 1024), undefined);
  const held = pace.take(32 * 1024);
  assert(held);
  let isHeld = true;
  held.then(() => isHeld = false);
  clock.advance(499);
  await Promise.resolve();
  assert(isHeld);
  clock.advance(1);
  await held;
  clock.advance(1_000);
  assert.equal(pace.take(64 * 1024), undefined);
  assert(pace.take(1));
  clock.advance(3_600_000);
  assert.equal(pace.take(1024 * 1024), undefined);
});

Deno.test("one that is stopped holds nobody up", async () => {
  const clock = manualClock();
  const pace = new OutputPace(clock);
  const held = pace.take(2 * 1024 * 1024);
  assert(held);
  pace.stop();
  await held;
  assert.equal(pace.take(1024 * 1024), undefined);
  assert.equal(clock.pending(), 0);
});

import assert from "node:assert/strict";
import { manualClock } from "../../../worlds/clock.ts";
import { sharedTimer } from "./shared_timer.ts";

Deno.test("everybody is called back in time, by one timer", () => {
  const clock = manualClock(0);
  const shared = sharedTimer(clock);
  const seen: string[] = [];
  const wait = (ms: number) => shared.after(ms, () => seen.push(`${ms} at ${clock.now()}`));
  for (const ms of [300, 100, 200]) wait(ms);
  assert.equal(clock.pending(), 1);
  for (let turn = 0; turn < 40; turn++) clock.advance(10);
  assert.deepEqual(seen, ["100 at 100", "200 at 200", "300 at 300"]);
  assert.equal(clock.pending(), 0);
});

Deno.test("who has cancelled is not called back, not even by who is due at the same time", () => {
  const clock = manualClock(0);
  const shared = sharedTimer(clock);
  const seen: string[] = [];
  shared.after(100, () => {
    seen.push("first");
    cancel();
  });
  const cancel = shared.after(100, () => seen.push("cancelled by the first"));
  shared.after(50, () => seen.push("cancelled before"))();
  clock.advance(1_000);
  assert.deepEqual(seen, ["first"]);
});

Deno.test("who waits anew as it is called back is called back again", () => {
  const clock = manualClock(0);
  const shared = sharedTimer(clock);
  const seen: number[] = [];
  const again = () => {
    seen.push(clock.now());
    if (seen.length < 3) shared.after(100, again);
  };
  shared.after(100, again);
  for (let turn = 0; turn < 50; turn++) clock.advance(10);
  assert.deepEqual(seen, [100, 200, 300]);
});

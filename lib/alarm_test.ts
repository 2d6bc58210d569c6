import assert from "node:assert/strict";
import { manualClock } from "../worlds/clock.ts";
import { Alarm, monotonicClock } from "./alarm.ts";

Deno.test("an alarm rings for what is due first, and then for what comes next", () => {
  const clock = manualClock(0);
  const rung: number[] = [];
  const next = [50, Infinity, Infinity];
  const alarm = new Alarm(clock, (now) => {
    rung.push(now);
    return next.shift()!;
  });
  alarm.by(30);
  alarm.by(40);
  alarm.by(20);
  clock.advance(100);
  assert.deepEqual(rung, [20, 50]);
  alarm.by(110);
  clock.advance(100);
  assert.deepEqual(rung, [20, 50, 110]);
  assert.equal(clock.pending(), 0);
});

Deno.test("many that are due later cost no timer", () => {
  const clock = manualClock(0);
  const timers: number[] = [];
  const counted = {
    now: clock.now,
    after(ms: number, callback: () => void) {
      timers.push(ms);
      return clock.after(ms, callback);
    },
  };
  const alarm = new Alarm(counted, () => Infinity);
  for (let at = 15_000; at < 16_000; at++) alarm.by(at);
  assert.deepEqual(timers, [15_000]);
});

Deno.test("an alarm that is stopped rings no more", () => {
  const clock = manualClock(0);
  const alarm = new Alarm(clock, () => assert.fail("it rang"));
  alarm.by(10);
  alarm.stop();
  alarm.by(5);
  clock.advance(100);
  assert.equal(clock.pending(), 0);
});

Deno.test("what is due in a year is waited for in parts", () => {
  const waits: number[] = [];
  const clock = {
    now: () => 0,
    after(ms: number) {
      waits.push(ms);
      return () => {};
    },
  };
  new Alarm(clock, () => Infinity).by(365 * 86_400_000);
  assert.deepEqual(waits, [2 ** 31 - 1]);
});

Deno.test("the clock of servers is the one by which runs begin", () => {
  const before = performance.now();
  const now = monotonicClock.now();
  assert(now >= before && now <= performance.now());
});

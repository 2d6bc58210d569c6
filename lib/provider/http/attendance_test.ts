import assert from "node:assert/strict";
import { Attendance } from "./attendance.ts";
import { ShortTimer } from "./short_timer.ts";

/** A request that tells when it was asked for its signal. */
function request() {
  const controller = new AbortController();
  const asked = Promise.withResolvers<void>();
  return {
    abort: () => controller.abort(),
    asked: asked.promise,
    get signal() {
      asked.resolve();
      return controller.signal;
    },
  };
}

Deno.test("a caller that goes away is noticed, before and after somebody waits for it", async () => {
  const timer = new ShortTimer();
  const [early, late] = [request(), request()];
  const attendances = [new Attendance(early, timer), new Attendance(late, timer)] as const;
  early.abort();
  await new Promise<void>((resolve) => attendances[0].whenGone(resolve));
  assert.ok(attendances[0].hasGone());
  let left = 0;
  attendances[0].whenGone(() => left += 1);
  assert.equal(left, 1);
  await late.asked;
  assert.ok(!attendances[1].hasGone());
  const gone = new Promise<void>((resolve) => attendances[1].whenGone(resolve));
  late.abort();
  await gone;
  timer.close();
});

Deno.test("a call that is soon over is never asked for its signal", async () => {
  const timer = new ShortTimer();
  const [short, long] = [request(), request()];
  let isAsked = false;
  short.asked.then(() => isAsked = true);
  new Attendance(short, timer).end();
  new Attendance(long, timer);
  await long.asked;
  assert.ok(!isAsked);
  timer.close();
});

Deno.test("a call that is known to take long is looked after at once", () => {
  const timer = new ShortTimer();
  const call = request();
  const attendance = new Attendance(call, timer);
  attendance.expectLong();
  attendance.expectLong();
  call.abort();
  assert.ok(attendance.hasGone());
  timer.close();
});

Deno.test("nobody is told of a caller that goes after the end", async () => {
  const timer = new ShortTimer();
  const call = request();
  const attendance = new Attendance(call, timer);
  let left = 0;
  attendance.whenGone(() => left += 1);
  await call.asked;
  attendance.end();
  call.abort();
  assert.equal(left, 0);
  timer.close();
});

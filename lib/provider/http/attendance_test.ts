import assert from "node:assert/strict";
import { attend } from "./attendance.ts";
import { createSoon } from "./short_timer.ts";

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
  const soon = createSoon();
  const [early, late] = [request(), request()];
  const attendances = [attend(early, soon), attend(late, soon)] as const;
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
  soon.close();
});

Deno.test("a call that is soon over is never asked for its signal", async () => {
  const soon = createSoon();
  const [short, long] = [request(), request()];
  let isAsked = false;
  short.asked.then(() => isAsked = true);
  attend(short, soon).end();
  attend(long, soon);
  await long.asked;
  assert.ok(!isAsked);
  soon.close();
});

Deno.test("a call that is known to take long is looked after at once", () => {
  const soon = createSoon();
  const call = request();
  const attendance = attend(call, soon);
  attendance.expectLong();
  attendance.expectLong();
  call.abort();
  assert.ok(attendance.hasGone());
  soon.close();
});

Deno.test("nobody is told of a caller that goes after the end", async () => {
  const soon = createSoon();
  const call = request();
  const attendance = attend(call, soon);
  let left = 0;
  attendance.whenGone(() => left += 1);
  await call.asked;
  attendance.end();
  call.abort();
  assert.equal(left, 0);
  soon.close();
});

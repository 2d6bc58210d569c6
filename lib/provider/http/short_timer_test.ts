import assert from "node:assert/strict";
import { SHORT_MS, ShortTimer } from "./short_timer.ts";

Deno.test("each is called back once, in order, no sooner than was said", async () => {
  const timer = new ShortTimer();
  const startedAt = performance.now();
  const called: number[] = [];
  await new Promise<void>((resolve) => {
    for (const each of [1, 2, 3]) timer.after(() => called.push(each));
    timer.after(resolve);
  });
  assert.deepEqual(called, [1, 2, 3]);
  assert.ok(performance.now() - startedAt >= SHORT_MS);
  await new Promise<void>((resolve) => timer.after(resolve));
  assert.deepEqual(called, [1, 2, 3]);
  timer.close();
});

Deno.test("what was taken back is not called, nor is anything after the end", async () => {
  const [timer, clock] = [new ShortTimer(), new ShortTimer()];
  let called = 0;
  timer.after(() => called += 1)();
  await new Promise<void>((resolve) => timer.after(resolve));
  timer.after(() => called += 1);
  timer.close();
  // As long as the one that was closed would have taken at most.
  for (const _ of [1, 2]) await new Promise<void>((resolve) => clock.after(resolve));
  clock.close();
  assert.equal(called, 0);
});

Deno.test("a callback may ask again", async () => {
  const timer = new ShortTimer();
  await new Promise<void>((resolve) => timer.after(() => timer.after(resolve)));
  timer.close();
});

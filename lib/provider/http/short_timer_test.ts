import assert from "node:assert/strict";
import { createSoon, SOON_MS } from "./short_timer.ts";

Deno.test("each is called back once, in order, no sooner than was said", async () => {
  const soon = createSoon();
  const startedAt = performance.now();
  const called: number[] = [];
  await new Promise<void>((resolve) => {
    for (const each of [1, 2, 3]) soon.after(() => called.push(each));
    soon.after(resolve);
  });
  assert.deepEqual(called, [1, 2, 3]);
  assert.ok(performance.now() - startedAt >= SOON_MS);
  await new Promise<void>((resolve) => soon.after(resolve));
  assert.deepEqual(called, [1, 2, 3]);
  soon.close();
});

Deno.test("what was taken back is not called, nor is anything after the end", async () => {
  const [soon, clock] = [createSoon(), createSoon()];
  let called = 0;
  soon.after(() => called += 1)();
  await new Promise<void>((resolve) => soon.after(resolve));
  soon.after(() => called += 1);
  soon.close();
  // As long as the one that was closed would have taken at most.
  for (const _ of [1, 2]) await new Promise<void>((resolve) => clock.after(resolve));
  clock.close();
  assert.equal(called, 0);
});

Deno.test("a callback may ask again", async () => {
  const soon = createSoon();
  await new Promise<void>((resolve) => soon.after(() => soon.after(resolve)));
  soon.close();
});

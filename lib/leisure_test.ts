import assert from "node:assert/strict";
import { Leisure, noteCall } from "./leisure.ts";
import { PROGRAM_SMALL_BYTES_MAX } from "./limits.ts";
import { breathe } from "./slices.ts";

const TURN_BYTES = 256 * 1024;
const LARGE = PROGRAM_SMALL_BYTES_MAX + 1;

/** Somebody calls, for as long as it is not ended. */
function calls(): Disposable {
  noteCall();
  const timer = setInterval(noteCall, 50);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function busy(ms: number): void {
  for (const from = performance.now(); performance.now() - from < ms;);
}

// First, as the others note calls.
Deno.test("where nobody has called yet large work is done at once, and beside each other", async () => {
  const [one, other] = [new Leisure(), new Leisure()];
  const { promise, resolve } = Promise.withResolvers<void>();
  const waiting = one.slice(LARGE, () => promise);
  assert.equal(await other.slice(LARGE, () => "beside"), "beside");
  resolve();
  await waiting;
  noteCall();
  const order: string[] = [];
  const first = one.slice(LARGE, async () => {
    await breathe();
    order.push("first");
  });
  await Promise.all([first, other.slice(LARGE, () => void order.push("second"))]);
  assert.deepEqual(order, ["first", "second"]);
});

Deno.test("the slices of small work give way to what is ready, one of all of it at a time", async () => {
  using _calling = calls();
  let slices = 0;
  let isOver = false;
  const working = Array.from({ length: 10 }, async () => {
    while (!isOver) await new Leisure().slice(TURN_BYTES, () => void (slices += 1));
  });
  await breathe();
  const before = slices;
  for (let turn = 0; turn < 80; turn++) await breathe();
  const done = slices - before;
  isOver = true;
  await Promise.all(working);
  assert.ok(done >= 5 && done <= 11, `${done} slices in 80 turns`);
});

Deno.test("small work waits for no large one, and what is smaller than a turn for nothing", async () => {
  using _calling = calls();
  const large = new Leisure();
  const { promise, resolve } = Promise.withResolvers<void>();
  const waiting = large.slice(LARGE, () => promise);
  const small = new Leisure();
  assert.equal(await small.slice(PROGRAM_SMALL_BYTES_MAX, () => "done"), "done");
  let turns = 0;
  setImmediate(() => turns += 1);
  await new Leisure().slice(TURN_BYTES - 1, () => {});
  assert.equal(turns, 0);
  resolve();
  await waiting;
});

Deno.test("of large work one slice is done at a time, in turns, and most of the time none", async () => {
  using _calling = calls();
  const order: number[] = [];
  let [atOnce, most, tookMs] = [0, 0, 0];
  const from = performance.now();
  await Promise.all([1, 2, 3].map(async (name) => {
    const leisure = new Leisure();
    for (let slice = 0; slice < 3; slice++) {
      await leisure.slice(LARGE, async () => {
        const at = performance.now();
        most = Math.max(most, ++atOnce);
        busy(1);
        await breathe();
        order.push(name);
        atOnce -= 1;
        tookMs += performance.now() - at;
      });
    }
  }));
  assert.equal(most, 1);
  assert.deepEqual(order, [1, 2, 3, 1, 2, 3, 1, 2, 3]);
  const wholeMs = performance.now() - from;
  assert.ok(wholeMs >= 2 * tookMs, `${tookMs} ms of ${wholeMs}`);
});

Deno.test("many small slices of large work rest as long as few large ones", async () => {
  using _calling = calls();
  const leisure = new Leisure();
  await leisure.slice(LARGE, () => {});
  let tookMs = 0;
  const from = performance.now();
  for (let slice = 0; slice < 200; slice++) {
    await leisure.slice(1, () => {
      const at = performance.now();
      busy(0.05);
      tookMs += performance.now() - at;
    });
  }
  const wholeMs = performance.now() - from;
  assert.ok(wholeMs >= 2 * tookMs, `${tookMs} ms of ${wholeMs}`);
});

Deno.test("a slice that takes long is not followed by a long rest", async () => {
  using _calling = calls();
  const leisure = new Leisure();
  await leisure.slice(LARGE, () => busy(200));
  const from = performance.now();
  await leisure.slice(1, () => {});
  const restedMs = performance.now() - from;
  assert.ok(restedMs < 150, `${restedMs} ms`);
});

Deno.test("a slice that fails says so and holds up nobody", async () => {
  using _calling = calls();
  const leisure = new Leisure();
  const failing = leisure.slice(LARGE, () => Promise.reject(new Error("lost")));
  const next = new Leisure().slice(LARGE, () => "next");
  await assert.rejects(failing, /lost/);
  assert.equal(await next, "next");
});

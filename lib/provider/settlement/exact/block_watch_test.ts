import assert from "node:assert/strict";
import { BlockWatch } from "./block_watch.ts";

/** A watch on blocks and a clock in hand. */
function watchIn() {
  const scene = {
    nowMs: 0,
    head: 1n as bigint | null,
    looks: 0,
    timers: [] as { at: number; callback: () => void }[],
  };
  const watch = new BlockWatch({
    head() {
      scene.looks += 1;
      return scene.head === null ? Promise.reject(new Error("down")) : Promise.resolve(scene.head);
    },
    now: () => scene.nowMs,
    after(ms, callback) {
      const timer = { at: scene.nowMs + ms, callback };
      scene.timers.push(timer);
      return () => void (scene.timers = scene.timers.filter((other) => other !== timer));
    },
  });
  /** The next timer goes off. */
  async function next(): Promise<void> {
    const timer = scene.timers.shift()!;
    scene.nowMs = timer.at;
    timer.callback();
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  }
  return { scene, watch, next };
}

Deno.test("each new block is told, to all who wait", async () => {
  const { scene, watch, next } = watchIn();
  const told: string[] = [];
  const stop = watch.onBlock(() => void told.push("anna"));
  watch.onBlock(() => void told.push("bert"));
  assert.equal(scene.timers.length, 1, "one look serves all");
  await next();
  assert.deepEqual(told, [], "what was there before is no news");
  await next();
  assert.deepEqual(told, []);
  scene.head = 2n;
  await next();
  assert.deepEqual(told, ["anna", "bert"]);
  stop();
  scene.head = 3n;
  await next();
  assert.deepEqual(told, ["anna", "bert", "bert"]);
});

Deno.test("nobody is asked while nobody waits", async () => {
  const { scene, watch, next } = watchIn();
  assert.equal(scene.timers.length, 0);
  const stop = watch.onBlock(() => {});
  stop();
  assert.equal(scene.timers.length, 0);
  const again = watch.onBlock(() => {});
  const looking = next();
  again();
  await looking;
  assert.equal(scene.timers.length, 0);
  assert.equal(scene.looks, 1);
  watch.onBlock(() => {});
  await next();
  assert.equal(scene.looks, 2);
});

Deno.test("the same may wait twice, and an endpoint that is down is asked again", async () => {
  const { scene, watch, next } = watchIn();
  let told = 0;
  const tell = () => void (told += 1);
  const stop = watch.onBlock(tell);
  watch.onBlock(tell);
  await next();
  scene.head = null;
  await next();
  scene.head = 2n;
  await next();
  assert.equal(told, 2);
  stop();
  scene.head = 3n;
  await next();
  assert.equal(told, 3);
});

Deno.test("who waits long is asked for less often", async () => {
  const { scene, watch, next } = watchIn();
  watch.onBlock(() => {});
  while (scene.nowMs < 10_000) await next();
  assert.ok(scene.looks < 3_000 / 30 + 7_000 / 250 + 5, `${scene.looks} looks`);
  assert.ok(scene.looks > 7_000 / 250);
});

import assert from "node:assert/strict";
import type { After } from "../../../chain/outbox/pace.ts";
import { BlockWatch } from "./block_watch.ts";

/** A chain and a clock that a test moves on; timers are due when their time has come. */
function openWorld() {
  const timers = new Set<{ at: number; callback: () => void }>();
  let now = 0;
  const world = {
    head: 1n,
    looks: 0,
    isDown: false,
    timers,
    watch: null as unknown as BlockWatch,
    /** Until nothing more is due at `until`, ms. */
    async passTo(until: number) {
      for (;;) {
        await new Promise((resolve) => queueMicrotask(() => resolve(null)));
        for (let turn = 0; turn < 10; turn++) await Promise.resolve();
        const [next] = [...timers].toSorted((a, b) => a.at - b.at);
        if (!next || next.at > until) break;
        timers.delete(next);
        now = next.at;
        next.callback();
      }
      now = until;
    },
  };
  const after: After = (ms, callback) => {
    const timer = { at: now + ms, callback };
    timers.add(timer);
    return () => timers.delete(timer);
  };
  world.watch = new BlockWatch({
    head: () => {
      world.looks++;
      return world.isDown ? Promise.reject(new Error("down")) : Promise.resolve(world.head);
    },
    now: () => now,
    after,
  });
  return world;
}

Deno.test("whoever waits is told of each new block, and nobody of one that was there", async () => {
  const world = openWorld();
  const told: string[] = [];
  world.watch.onBlock(() => told.push("one"));
  world.watch.onBlock(() => told.push("other"));
  await world.passTo(100);
  assert.deepEqual(told, []);
  world.head = 2n;
  await world.passTo(200);
  assert.deepEqual(told, ["one", "other"]);
  world.head = 3n;
  await world.passTo(300);
  assert.deepEqual(told, ["one", "other", "one", "other"]);
});

Deno.test("nobody looks for whom nobody waits", async () => {
  const world = openWorld();
  await world.passTo(1_000);
  assert.equal(world.looks, 0);
  const stops = [world.watch.onBlock(() => {}), world.watch.onBlock(() => {})];
  await world.passTo(1_100);
  const { looks } = world;
  assert.ok(looks > 0);
  stops[0]!();
  await world.passTo(1_200);
  assert.ok(world.looks > looks);
  stops[1]!();
  const last = world.looks;
  await world.passTo(9_000);
  assert.equal(world.looks, last);
  assert.equal(world.timers.size, 0);
});

Deno.test("an endpoint that does not answer is asked again", async () => {
  const world = openWorld();
  let blocks = 0;
  world.watch.onBlock(() => blocks++);
  await world.passTo(100);
  world.isDown = true;
  await world.passTo(200);
  world.head = 2n;
  world.isDown = false;
  await world.passTo(300);
  assert.equal(blocks, 1);
});

import assert from "node:assert/strict";
import type { Seat } from "../server/life.ts";
import { HeldPlace } from "./held_place.ts";

/** A workplace with one seat, which comes when it is told to. */
function workplace() {
  const { promise, resolve } = Promise.withResolvers<Seat>();
  const left: string[] = [];
  const seat = { send() {}, release: () => void left.push("left") } as unknown as Seat;
  const wait = Object.assign(promise, { giveUp: () => false });
  return { take: () => wait, come: () => resolve(seat), left, promise };
}

Deno.test("a place is given back once", async () => {
  const { take, come, left } = workplace();
  const held = new HeldPlace({ take });
  const place = held.take();
  come();
  await place;
  assert.deepEqual(left, []);
  held.leave();
  held.leave();
  assert.deepEqual(left, ["left"]);
});

Deno.test("a place that comes when nobody waits for it any more is given back", async () => {
  const { take, come, left, promise } = workplace();
  const held = new HeldPlace({ take });
  held.take();
  held.leave();
  come();
  await promise;
  assert.deepEqual(left, ["left"]);
});

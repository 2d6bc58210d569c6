import assert from "node:assert/strict";
import { Seat } from "./seat.ts";

Deno.test("what is in its seat is used at once, what moves is waited for", async () => {
  const seat = new Seat<{ name: string }>({ name: "here" });
  const nameOf = (it: { name: string }) => Promise.resolve(it.name);
  let used = "";
  const first = seat.use((it) => nameOf(it).finally(() => used = it.name));
  assert.equal(await first, "here");
  assert.equal(used, "here");
  const { promise, resolve } = Promise.withResolvers<{ name: string }>();
  seat.move(promise);
  const second = seat.use(nameOf);
  assert(seat.isMoving);
  resolve({ name: "there" });
  assert.equal(await second, "there");
  assert.equal(await seat.use(nameOf), "there");
  assert.equal(seat.own.name, "here", "what it said last");
});

Deno.test("what never arrives fails whoever uses it", async () => {
  const seat = new Seat(1);
  seat.move(Promise.reject(new Error("lost")));
  await assert.rejects(seat.use((it) => Promise.resolve(it)), /lost/);
});

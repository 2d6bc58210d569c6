import assert from "node:assert/strict";
import { refusal } from "../../../worlds/refusal.ts";
import { seatsTaken, takesNoMore } from "./faults.ts";
import type { Seat } from "./life.ts";
import { SeatQueue } from "./seat_queue.ts";

const seat = (name: string) => ({ name }) as unknown as Seat;

Deno.test("places go to those who wait, in turn", async () => {
  const queue = new SeatQueue();
  const waiting = [queue.wait(10, 100).seat, queue.wait(20, 100).seat];
  assert.equal(queue.length, 2);
  const [one, two] = [seat("one"), seat("two")];
  queue.serve(one);
  queue.serve(two);
  assert.deepEqual(await Promise.all(waiting), [one, two]);
  assert.equal(queue.length, 0);
});

Deno.test("who has waited for too long is told, and nobody else", async () => {
  const queue = new SeatQueue();
  const first = refusal(queue.wait(10, 100).seat);
  const second = queue.wait(20, 100).seat;
  assert.equal(queue.expire(9, false, seatsTaken), 10);
  assert.equal(queue.expire(10, false, seatsTaken), 20);
  assert.equal((await first).code, "overloaded");
  queue.encourage(30);
  assert.equal(queue.expire(20, false, seatsTaken), 30);
  queue.serve(seat("late"));
  await second;
  assert.equal(queue.expire(30, false, seatsTaken), Infinity);
});

Deno.test("a start that is under way is waited for, but not for ever", async () => {
  const queue = new SeatQueue();
  const waiting = refusal(queue.wait(10, 50).seat);
  assert.equal(queue.expire(49, true, seatsTaken), 50);
  queue.encourage(90);
  assert.equal(queue.expire(50, true, seatsTaken), Infinity);
  assert.equal((await waiting).code, "overloaded");
});

Deno.test("who leaves is told so, and gets no place", async () => {
  const queue = new SeatQueue();
  const { seat: left, leave } = queue.wait(10, 100);
  const next = queue.wait(10, 100).seat;
  const told = refusal(left);
  assert.deepEqual([leave(), leave(), queue.length], [true, false, 1]);
  assert.equal((await told).code, "invalid_input");
  const own = seat("own");
  queue.serve(own);
  assert.equal(await next, own);
});

Deno.test("as many may wait as memory holds", async () => {
  const queue = new SeatQueue();
  const waiting = Array.from({ length: 200_000 }, () => refusal(queue.wait(10, 100).seat));
  assert.equal(queue.expire(9, false, seatsTaken), 10);
  queue.refuse(takesNoMore());
  await Promise.all(waiting);
});

Deno.test("all who wait are refused where waiting is in vain", async () => {
  const queue = new SeatQueue();
  const waiting = [refusal(queue.wait(10, 100).seat), refusal(queue.wait(20, 100).seat)];
  queue.refuse(takesNoMore());
  for (const { code } of await Promise.all(waiting)) assert.equal(code, "sandbox_unavailable");
  assert.equal(queue.length, 0);
});

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

Deno.test("all who wait are refused where waiting is in vain", async () => {
  const queue = new SeatQueue();
  const waiting = [refusal(queue.wait(10, 100).seat), refusal(queue.wait(20, 100).seat)];
  queue.refuse(takesNoMore());
  for (const { code } of await Promise.all(waiting)) assert.equal(code, "sandbox_unavailable");
  assert.equal(queue.length, 0);
});

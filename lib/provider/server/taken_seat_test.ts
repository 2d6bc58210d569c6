import assert from "node:assert/strict";
import { LIMITS } from "../../../worlds/sandbox/played_run.ts";
import { requestOf } from "../../../worlds/sandbox/played_server.ts";
import type { ServerRun } from "./life.ts";
import { TakenSeat } from "./taken_seat.ts";

function seated() {
  const heard: string[] = [];
  const run = {} as ServerRun;
  const seat = new TakenSeat({
    limits: LIMITS,
    begin({ target }) {
      heard.push(target);
      return run;
    },
    leaveSeat: () => void heard.push("left"),
  });
  return { seat, heard, run };
}

Deno.test("a place is left once, where no request was sent", () => {
  const { seat, heard } = seated();
  seat.release();
  seat.release();
  assert.deepEqual(heard, ["left"]);
  assert.throws(() => seat.send(requestOf()));
});

Deno.test("a place is good for one request, which leaves it", () => {
  const { seat, heard, run } = seated();
  assert.equal(seat.limits, LIMITS);
  assert.equal(seat.send(requestOf({ target: "/a" })), run);
  seat.release();
  assert.throws(() => seat.send(requestOf()));
  assert.deepEqual(heard, ["/a"]);
});

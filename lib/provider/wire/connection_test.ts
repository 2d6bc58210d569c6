import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { PIPELINED_REQUESTS_MAX } from "../../limits.ts";
import { Connection } from "./connection.ts";

/** A connection whose socket tells what is done to it. */
function open() {
  const done: string[] = [];
  const clock = { now: 0 };
  const socket = {
    destroy: () => void done.push("destroy"),
    pause: () => void done.push("pause"),
    resume: () => void done.push("resume"),
    destroySoon: () => void done.push("destroySoon"),
    resetAndDestroy: () => void done.push("reset"),
  } as unknown as Socket;
  return { connection: new Connection(socket, null, () => clock.now), done, clock };
}

const request = (begin: () => void, isWhole = true) => ({ begin, isWhole: () => isWhole });
const nothing = request(() => {});
const unwanted = request(() => assert.fail("it was begun"));

const served = (told: string[]) => ({
  leave: () => void told.push("left"),
  breakOff: (reason: string) => void told.push(reason),
});

Deno.test("requests that were sent ahead are begun one after the other", async () => {
  const { connection } = open();
  const begun: number[] = [];
  for (const each of [1, 2, 3]) {
    connection.queue(request(() => {
      begun.push(each);
      connection.serve(served([]));
    }));
  }
  assert.deepEqual(begun, []);
  await Promise.resolve();
  assert.deepEqual(begun, [1]);
  connection.finish();
  assert.deepEqual(begun, [1, 2]);
  connection.finish();
  connection.finish();
  assert.deepEqual([begun, connection.state], [[1, 2, 3], "idle"]);
});

Deno.test("of what is sent ahead so much is read, and the rest once there is room", () => {
  const { connection, done } = open();
  connection.serve(served([]));
  for (let sent = 1; sent < PIPELINED_REQUESTS_MAX; sent++) connection.queue(nothing);
  assert.equal(done.length, 0);
  for (const _ of [1, 2]) connection.queue(nothing);
  assert.deepEqual(done, ["pause"]);
  for (const _ of [1, 2]) connection.finish();
  assert.deepEqual(done, ["pause", "resume"]);
});

Deno.test("nothing is begun behind what is the last", () => {
  for (const end of ["endSoon", "breakOff", "leave"] as const) {
    const { connection, done } = open();
    connection.serve(served([]));
    connection.queue(unwanted);
    connection[end]("no HTTP");
    connection.queue(unwanted);
    assert.ok(connection.isLast());
    connection.finish();
    assert.deepEqual(done, ["destroySoon"]);
  }
});

Deno.test("what is served is told that its caller left, and that no more of its body comes", () => {
  const { connection } = open();
  const told: string[] = [];
  assert.ok(!connection.breakOff("nobody listens"));
  connection.serve(served(told));
  assert.ok(connection.breakOff("no HTTP"));
  connection.leave();
  connection.finish();
  connection.leave();
  assert.deepEqual(told, ["no HTTP", "left"]);
});

Deno.test("it knows since when it does what it does", () => {
  const { connection, clock } = open();
  assert.deepEqual([connection.state, connection.age()], ["new", 0]);
  clock.now = 5;
  assert.equal(connection.age(), 5);
  connection.serve(served([]));
  assert.deepEqual([connection.state, connection.age()], ["serving", 0]);
  connection.end();
  assert.equal(connection.state, "ending");
  connection.finish();
  assert.equal(connection.state, "idle");
});

Deno.test("with several streams it is idle once the last of them is over", () => {
  const { connection } = open();
  connection.join();
  connection.join();
  connection.part();
  assert.equal(connection.state, "serving");
  connection.part();
  assert.equal(connection.state, "idle");
});

Deno.test("an idle connection that is to end soon ends now", () => {
  const { connection, done } = open();
  connection.endSoon();
  assert.ok(done.includes("destroy"));
});

Deno.test("cutting an answer off is a reset", () => {
  const { connection, done } = open();
  connection.cut();
  assert.equal(done[0], "reset");
});

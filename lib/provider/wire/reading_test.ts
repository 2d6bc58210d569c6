import assert from "node:assert/strict";
import { aWhile } from "../../../worlds/turns.ts";
import { Duplex } from "node:stream";
import type { Socket } from "node:net";
import { Pace } from "./pace.ts";
import { Reading, type ReadingOptions } from "./reading.ts";

/** A socket that is given bytes, and whoever parses them; each part takes so long. */
function open({ takesMs = 0, ...options }: Partial<ReadingOptions> & { takesMs?: number } = {}) {
  const clock = { now: 0 };
  const socket = new Duplex({ read() {}, write: () => {}, highWaterMark: 100 });
  const parts: string[] = [];
  const onPart: { run(): void } = { run() {} };
  socket.on("data", (bytes: Uint8Array) => {
    clock.now += takesMs;
    parts.push(new TextDecoder().decode(bytes));
    onPart.run();
  });
  const pace = new Pace(() => clock.now);
  const reading = new Reading(socket as unknown as Socket, {
    pace,
    network: null,
    below: null,
    partBytes: 4,
    untakenBytes: Infinity,
    ...options,
  });
  /** Turns are given by timers: some of them later nothing is left to be handed over. */
  return { clock, socket, parts, onPart, reading, settle: aWhile };
}

Deno.test("what comes is handed over in parts and in order, and nothing at once", async () => {
  const { socket, parts, settle } = open();
  socket.push("before");
  assert.deepEqual(parts, []);
  await settle();
  socket.push("abcdefghij");
  await settle();
  assert.deepEqual(parts, ["befo", "re", "abcd", "efgh", "ij"]);
});

Deno.test("a part that takes long has others go first, and the socket is not read", async () => {
  const { socket, parts, settle } = open({ takesMs: 1 });
  await settle();
  let pauses = 0;
  socket.on("pause", () => {
    pauses += 1;
    assert.deepEqual(parts, ["abcd"]);
  });
  socket.push("abcdefgh");
  await settle();
  assert.deepEqual(parts, ["abcd", "efgh"]);
  assert.equal(pauses, 1);
  assert.ok(!socket.isPaused());
});

Deno.test("nothing is handed over while whoever parses wants none", async () => {
  const { socket, parts, onPart, settle } = open();
  onPart.run = () => void socket.pause();
  await settle();
  socket.push("abcdefgh");
  await settle();
  assert.deepEqual(parts, ["abcd"]);
  onPart.run = () => void socket.resume();
  socket.resume();
  await settle();
  assert.deepEqual(parts, ["abcd", "efgh"]);
});

Deno.test("who does not take what is answered is not read on", async () => {
  const { socket, parts, settle } = open({ untakenBytes: 10 });
  await settle();
  socket.write("x".repeat(11));
  socket.push("abcd");
  await settle();
  assert.deepEqual(parts, []);
});

Deno.test("behind the end nothing is handed over", async () => {
  const { socket, parts, reading, onPart, settle } = open();
  onPart.run = () => reading.end();
  await settle();
  socket.push("abcdefgh");
  socket.push("ijkl");
  await settle();
  assert.deepEqual(parts, ["abcd"]);
});

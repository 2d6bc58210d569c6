import assert from "node:assert/strict";
import {
  CHUNK_BYTES_MAX,
  createDecoder,
  FRAME,
  STDIN_CLOSED,
  STDIN_WINDOW_BYTES,
} from "./protocol.ts";
import { streamSource } from "../lib/byte_source.ts";
import { createStdin } from "./stdin.ts";

const RUN = 7;

/** A stdin whose frames are counted as they are sent. */
function open(source: ReadableStream<Uint8Array>) {
  const decode = createDecoder();
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const state = { bytes: 0, frames: [] as number[], isOver: false, isBroken: false };
  const stdin = createStdin(RUN, {
    source: streamSource(source),
    send(frame) {
      for (const { type, run, payload } of decode(frame)) {
        assert.equal(run, RUN);
        state.frames.push(type);
        state.bytes += payload.length;
        if (type === FRAME.stdinEnd) resolve();
      }
    },
    isOver: () => state.isOver,
    onBroken() {
      state.isBroken = true;
      resolve();
    },
  });
  return { stdin, state, ended };
}

/** Chunks that are handed over as they are asked for, and whether the reader gave up. */
function body(...sizes: number[]) {
  const state = { cancelled: false };
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      const size = sizes.shift();
      if (size === undefined) controller.close();
      else controller.enqueue(new Uint8Array(size));
    },
    cancel() {
      state.cancelled = true;
    },
  }, { highWaterMark: 0 });
  return { stream, state };
}

/** One turn of the event loop: reading and sending take promises only, so all is done by then. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("a body is sent in frames, and then its end", async () => {
  const { state, ended } = open(body(3, 0, 4).stream);
  await ended;
  assert.equal(state.bytes, 7);
  assert.deepEqual(state.frames, [FRAME.stdin, FRAME.stdin, FRAME.stdinEnd]);
});

Deno.test("no more than the window is sent before the program has taken some", async () => {
  const { stdin, state, ended } = open(body(STDIN_WINDOW_BYTES + 1000, 500).stream);
  await settle();
  assert.equal(state.bytes, STDIN_WINDOW_BYTES);
  stdin.allow(600);
  await settle();
  assert.equal(state.bytes, STDIN_WINDOW_BYTES + 600);
  stdin.allow(CHUNK_BYTES_MAX);
  await ended;
  assert.equal(state.bytes, STDIN_WINDOW_BYTES + 1500);
});

Deno.test("when the program reads no more, the body is given up and the end is sent", async () => {
  const { stream, state: source } = body(STDIN_WINDOW_BYTES, 1, 1);
  const { stdin, state, ended } = open(stream);
  await settle();
  stdin.allow(STDIN_CLOSED);
  await ended;
  assert.equal(source.cancelled, true);
  assert.equal(state.bytes, STDIN_WINDOW_BYTES);
});

Deno.test("nothing is sent for a run that is over", async () => {
  const { stdin, state } = open(body(STDIN_WINDOW_BYTES, 1).stream);
  await settle();
  state.isOver = true;
  stdin.stop();
  await settle();
  assert.deepEqual([state.bytes, state.frames.at(-1)], [STDIN_WINDOW_BYTES, FRAME.stdin]);
});

Deno.test("a body that breaks off ends the run, and is never told to be whole", async () => {
  let given = 0;
  const broken = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (given++ === 0) controller.enqueue(new Uint8Array(5));
      else controller.error(new Error("the caller is gone"));
    },
  }, { highWaterMark: 0 });
  const { state, ended } = open(broken);
  await ended;
  assert.ok(state.isBroken);
  assert.deepEqual(state.frames, [FRAME.stdin]);
});

Deno.test("a chunk that was sent is freed, but of memory that others have a part of", async () => {
  const own = new Uint8Array(100_000).fill(1);
  const shared = new Uint8Array(100_000).fill(2);
  const chunks = [own, shared.subarray(0, 60_000), shared.subarray(60_000)];
  const { state, ended } = open(ReadableStream.from(chunks));
  await ended;
  assert.equal(state.bytes, 200_000);
  assert.deepEqual([own.length, shared.length], [0, 100_000]);
});

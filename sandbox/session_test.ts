import assert from "node:assert/strict";
import { KILL_GRACE_MS, SANDBOX_START_MS_MAX } from "../lib/limits.ts";
import { CAUSES, encodeFrame, EXIT_BYTES, FRAME, RUNS_MAX, type Setup } from "./protocol.ts";
import { Session } from "./session.ts";

const unavailable = { code: "sandbox_unavailable" };
const limits = { timeoutMs: 1_000, memoryMb: 64, stdoutBytes: 1_000, stderrBytes: 1_000 };
const INPUT = { argv: ["./main"], env: [], stdin: null, limits };
const READY = encodeFrame(FRAME.ready, 0, new Uint8Array(4));
const SETUP: Setup = {
  timeoutMs: 1_000,
  tmpBytes: 1,
  stdoutBytes: 1,
  stderrBytes: 1,
  memoryBytes: 1,
  rlimits: [],
  secret: 1n,
  filter: new Uint8Array(8),
};

/** A helper's process that says what it is told to, and ends when its stdin does. */
function createHelper() {
  const { promise: status, resolve: end } = Promise.withResolvers<void>();
  let stdout!: ReadableByteStreamController;
  let stderr!: ReadableStreamDefaultController<Uint8Array>;
  const writes: Uint8Array[] = [];
  const signals: string[] = [];
  const exit = () => {
    stdout.close();
    stdout.byobRequest?.respond(0);
    stderr.close();
    end();
  };
  const child = {
    stdin: new WritableStream<Uint8Array>({
      write: (bytes) => void writes.push(bytes),
      close: exit,
    }),
    stdout: new ReadableStream<Uint8Array>({
      type: "bytes",
      start(controller) {
        stdout = controller as ReadableByteStreamController;
      },
    }) as ReadableStream<Uint8Array>,
    stderr: new ReadableStream<Uint8Array>({
      start: (controller) => void (stderr = controller),
    }),
    status,
    kill(signal: string) {
      signals.push(signal);
      exit();
    },
  };
  return {
    child,
    writes,
    signals,
    exit,
    says: (...frames: Uint8Array[]) => {
      for (const frame of frames) stdout.enqueue(frame.slice());
    },
    complains: (text: string) => stderr.enqueue(new TextEncoder().encode(text)),
  };
}

function exitFrame(run: number, cause: typeof CAUSES[number]): Uint8Array {
  const payload = new Uint8Array(EXIT_BYTES);
  new DataView(payload.buffer).setUint32(8, CAUSES.indexOf(cause), true);
  return encodeFrame(FRAME.exit, run, payload);
}

Deno.test("what is sent in one turn leaves in one write", async () => {
  const helper = createHelper();
  const session = new Session(helper.child, SETUP);
  session.start(INPUT);
  session.start(INPUT);
  await session.close();
  assert.equal(helper.writes.length, 1);
});

Deno.test("frames reach their runs, and an index is free again once its run is over", async () => {
  const helper = createHelper();
  const session = new Session(helper.child, SETUP);
  const runs = [session.start(INPUT), session.start(INPUT)];
  assert.deepEqual(runs.map(({ index }) => index), [0, 1]);
  helper.says(
    READY,
    encodeFrame(FRAME.stdout, 1, Uint8Array.of(1)),
    encodeFrame(FRAME.stdout, 0, Uint8Array.of(2)),
    encodeFrame(FRAME.stderr, 0, Uint8Array.of(3)),
    exitFrame(0, "none"),
  );
  assert.deepEqual((await runs[0]!.record).stderr, Uint8Array.of(3));
  assert.deepEqual(await runs[0]!.output.read(), Uint8Array.of(2));
  assert.deepEqual(await runs[1]!.output.read(), Uint8Array.of(1));
  assert.equal(session.start(INPUT).index, 0);
  await session.close();
  await assert.rejects(runs[1]!.record, unavailable);
});

Deno.test("a sandbox holds so many runs and no more", async () => {
  const helper = createHelper();
  const session = new Session(helper.child, SETUP);
  for (let run = 0; run < RUNS_MAX; run++) session.start(INPUT);
  assert.throws(() => session.start(INPUT), { code: "overloaded" });
  await session.close();
});

Deno.test("a sandbox that speaks another protocol is closed, and its runs fail", async () => {
  const frames = {
    "an unknown type": encodeFrame(99, 0, new Uint8Array(0)),
    "a run that is not there": encodeFrame(FRAME.stdout, 5, Uint8Array.of(1)),
    "an EXIT that is cut off": encodeFrame(FRAME.exit, 0, new Uint8Array(EXIT_BYTES - 1)),
    "a READY of the wrong size": encodeFrame(FRAME.ready, 0, new Uint8Array(3)),
  };
  for (const [what, frame] of Object.entries(frames)) {
    const helper = createHelper();
    const session = new Session(helper.child, SETUP);
    const run = session.start(INPUT);
    helper.says(frame);
    await assert.rejects(run.record, { ...unavailable, message: /malformed/ }, what);
    await session.ended;
    assert.throws(() => session.start(INPUT), unavailable);
  }
});

Deno.test("a sandbox that ends by itself fails its runs with what its launcher said", async () => {
  const helper = createHelper();
  const session = new Session(helper.child, SETUP);
  const run = session.start(INPUT);
  helper.complains("bwrap: Unknown option --disable-userns\n");
  helper.complains("x".repeat(100_000));
  helper.exit();
  await assert.rejects(run.record, { ...unavailable, message: /Unknown option/ });
  await session.ended;
});

Deno.test("a sandbox whose init ends no run in time is ended", async () => {
  const helper = createHelper();
  const session = new Session(helper.child, SETUP);
  const dueInMs = 5;
  const timeoutMs = dueInMs - SANDBOX_START_MS_MAX - KILL_GRACE_MS;
  // A later run neither delays the watch nor is what it is armed for.
  const overdue = session.start({ ...INPUT, limits: { ...limits, timeoutMs } });
  session.start(INPUT).record.catch(() => {});
  // The watch alone does not keep a process alive.
  const alive = setInterval(() => {}, 1_000);
  await assert.rejects(overdue.record, unavailable);
  clearInterval(alive);
  await session.ended;
  assert.deepEqual(helper.signals, ["SIGTERM"]);
});

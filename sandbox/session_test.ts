import assert from "node:assert/strict";
import { KILL_GRACE_MS, SANDBOX_START_MS_MAX } from "../lib/limits.ts";
import { aWhile } from "../worlds/turns.ts";
import { concat } from "./bytes.ts";
import {
  CAUSES,
  encodeBare,
  encodeFrame,
  encodeSetup,
  EXIT_BYTES,
  FRAME,
  RUNS_MAX,
} from "./protocol.ts";
import { type HelperStatus, Session } from "./session.ts";

const unavailable = { code: "sandbox_unavailable" };
const limits = { timeoutMs: 1_000, memoryMb: 64, stdoutBytes: 1_000, stderrBytes: 1_000 };
const INPUT = { argv: ["./main"], env: [], stdin: null, limits };
const READY = encodeFrame(FRAME.ready, 0, new Uint8Array(4));
const SETUP = encodeSetup({
  listeners: 0,
  listen: 0,
  timeoutMs: 1_000,
  tmpBytes: 1,
  stdoutBytes: 1,
  stderrBytes: 1,
  memoryBytes: 1,
  rlimits: [],
  secret: 1n,
  filter: new Uint8Array(8),
});

/** A helper's process that says what it is told to, and ends when its stdin does. */
function createHelper() {
  const { promise: status, resolve: end } = Promise.withResolvers<HelperStatus>();
  let stdout!: ReadableByteStreamController;
  let stderr!: ReadableByteStreamController;
  const writes: Uint8Array[] = [];
  const signals: string[] = [];
  const exit = (how: HelperStatus = { code: 0, signal: null }) => {
    for (const stream of [stdout, stderr]) {
      stream.close();
      stream.byobRequest?.respond(0);
    }
    end(how);
  };
  const child = {
    stdin: new WritableStream<Uint8Array>({
      write: (bytes) => void writes.push(bytes),
      close: () => exit(),
    }),
    stdout: new ReadableStream<Uint8Array>({
      type: "bytes",
      start(controller) {
        stdout = controller as ReadableByteStreamController;
      },
    }) as ReadableStream<Uint8Array>,
    stderr: new ReadableStream<Uint8Array>({
      type: "bytes",
      start(controller) {
        stderr = controller as ReadableByteStreamController;
      },
    }) as ReadableStream<Uint8Array>,
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
    /** How much it is to say at once, at most. */
    room: () => stdout.byobRequest?.view?.byteLength,
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
  await aWhile();
  helper.writes.length = 0;
  session.start(INPUT);
  session.start(INPUT);
  await aWhile();
  assert.equal(helper.writes.length, 1);
  await session.close();
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

Deno.test("a run keeps no more than twice what it was sent, however it was read", async () => {
  const helper = createHelper();
  const session = new Session(helper.child, SETUP);
  const run = session.start(INPUT);
  const stdout = (bytes: number) => encodeFrame(FRAME.stdout, 0, new Uint8Array(bytes).fill(7));
  const noise = encodeFrame(FRAME.stderr, 0, new Uint8Array(60_000));
  helper.says(concat([READY, stdout(1), noise]), concat([stdout(60_000), stdout(1)]));
  for (let left = 60_002; left > 0;) {
    const { buffer, length } = (await run.output.read())!;
    left -= length;
    assert.ok(left >= 0);
    assert.ok(buffer.byteLength < 2 * length + 1, `${buffer.byteLength} of ${length}`);
  }
  await session.close();
  await assert.rejects(run.record, unavailable);
});

Deno.test("much is read at once only while much comes", async () => {
  const helper = createHelper();
  const session = new Session(helper.child, SETUP);
  const run = session.start(INPUT);
  const noise = (bytes: number) => encodeFrame(FRAME.stderr, 0, new Uint8Array(bytes));
  const rooms = [];
  const [little, more, much] = [16 * 1024, 64 * 1024, 256 * 1024];
  const head = 8;
  for (const bytes of [4, little - head, more - head, 60_000, 4, little - head]) {
    await aWhile();
    rooms.push(helper.room());
    helper.says(noise(bytes));
  }
  await aWhile();
  rooms.push(helper.room());
  assert.deepEqual(rooms, [little, little, more, much, much, little, more]);
  helper.says(concat([noise(more - head - head - EXIT_BYTES), exitFrame(0, "none")]));
  await run.record;
  await aWhile();
  assert.equal(helper.room(), little, "a sandbox that rests keeps a large buffer");
  await session.close();
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

const EXITED: HelperStatus = { code: 0, signal: null };

/** Begins two runs, of which the first has printed, and ends their sandbox: the first one. */
async function endingUnder(end: (helper: ReturnType<typeof createHelper>) => void) {
  const helper = createHelper();
  const session = new Session(helper.child, SETUP);
  const runs = [session.start({ ...INPUT, stdin: null }), session.start(INPUT)];
  helper.says(
    READY,
    encodeFrame(FRAME.stdout, 0, Uint8Array.of(1, 2)),
    encodeFrame(FRAME.stderr, 0, Uint8Array.of(65)),
  );
  await runs[0]!.output.read();
  end(helper);
  await session.ended;
  return runs[0]!;
}

Deno.test("a sandbox that its own programs end fails its runs as theirs, with what is known", async () => {
  const run = await endingUnder((helper) => {
    helper.complains("khachapuri-init: memory: out of memory\n");
    helper.exit({ code: 124, signal: null });
  });
  await assert.rejects(run.output.read(), { code: "program_failed", message: /brought down/ });
  const { wallMs, stderr, ...record } = await run.record;
  assert.ok(wallMs > 0);
  assert.match(new TextDecoder().decode(stderr), /^Athe sandbox ended: .*out of memory\n$/);
  assert.deepEqual(record, {
    exit: null,
    signal: "SIGKILL",
    limit: null,
    listeningPort: null,
    cpuMs: null,
    peakMemoryBytes: null,
    stdinBytes: 0,
    stdoutBytes: 2,
    stderrBytes: 1,
    egress: null,
  });
});

Deno.test("whoever ends a sandbox from outside, it is no fault of its runs; else it is", async () => {
  const ways: [string, boolean, (helper: ReturnType<typeof createHelper>) => void][] = [
    ["a relay or an init that went", true, (helper) => helper.exit(EXITED)],
    ["an init that crashed", true, (helper) => helper.exit({ code: 139, signal: null })],
    ["frames of no protocol", true, (helper) => helper.says(encodeBare(99, 0))],
    ["a supervisor killed", false, (helper) => helper.exit({ code: 137, signal: "SIGKILL" })],
    ["an init killed", false, (helper) => helper.exit({ code: 137, signal: null })],
  ];
  for (const [what, isTheirs, end] of ways) {
    const run = await endingUnder(end);
    if (isTheirs) assert.equal((await run.record).signal, "SIGKILL", what);
    else await assert.rejects(run.record, unavailable, what);
  }
});

Deno.test("a run's time begins when its sandbox is ready, or when it is started in one that is", async () => {
  const helper = createHelper();
  const session = new Session(helper.child, SETUP);
  const first = session.start(INPUT);
  const before = first.begun();
  helper.says(READY, exitFrame(0, "none"));
  await first.record;
  assert.ok(first.begun() > before);
  const startedAt = performance.now();
  const second = session.start(INPUT);
  assert.ok(second.begun() >= startedAt);
  await session.close();
  await assert.rejects(second.record, unavailable);
});

Deno.test("a sandbox whose init ends no run in time is ended, at its runs' cost", async () => {
  const helper = createHelper();
  const session = new Session(helper.child, SETUP);
  const dueInMs = 5;
  const timeoutMs = dueInMs - SANDBOX_START_MS_MAX - KILL_GRACE_MS;
  // A later run neither delays the watch nor is what it is armed for.
  const overdue = session.start({ ...INPUT, limits: { ...limits, timeoutMs } });
  session.start(INPUT).record.catch(() => {});
  helper.says(READY);
  // The watch alone does not keep a process alive.
  const alive = setInterval(() => {}, 1_000);
  assert.equal((await overdue.record).signal, "SIGKILL");
  clearInterval(alive);
  await session.ended;
  assert.deepEqual(helper.signals, ["SIGTERM"]);
});

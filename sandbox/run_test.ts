import assert from "node:assert/strict";
import { KhachapuriError } from "../lib/errors.ts";
import { createDecoder, type Exit, FRAME } from "./protocol.ts";
import { createRun, limitError } from "./run.ts";

const limits = { timeoutMs: 1_000, memoryMb: 64, stdoutBytes: 5_000, stderrBytes: 100 };
const EXIT: Exit = {
  status: 0,
  startErrno: 0,
  startStep: "none",
  cause: "none",
  cpuMs: 1.5,
  peakBytes: 4096,
  stdinBytes: 1,
  stdoutBytes: 2,
  listeningPort: null,
  stderrBytes: 3,
};
const [ENOENT, EACCES] = [2, 13];

function start() {
  const sent: number[] = [];
  const decode = createDecoder();
  const input = { argv: ["./main"], env: [], stdin: null, limits };
  const run = createRun(3, input, (frame) => sent.push(...decode(frame).map(({ type }) => type)));
  return { run, sent };
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

Deno.test("a time limit is told in whole milliseconds", () => {
  const { shortMessage } = limitError("timeout", { ...limits, timeoutMs: 1_000.499_999 });
  assert.equal(shortMessage, "the program ran longer than 1000 ms");
});

Deno.test("a record tells exit code, measures and stderr", async () => {
  const { run } = start();
  const shared = new TextEncoder().encode("oops");
  run.keepStderr(shared);
  shared.fill(0);
  run.exit({ ...EXIT, status: 7 << 8 });
  const { stderr, wallMs, ...record } = await run.record;
  assert.deepEqual(record, {
    egress: null,
    exit: 7,
    signal: null,
    limit: null,
    cpuMs: 1.5,
    peakMemoryBytes: 4096,
    stdinBytes: 1,
    stdoutBytes: 2,
    listeningPort: null,
    stderrBytes: 3,
  });
  assert.equal(text(stderr), "oops");
  assert(wallMs >= 0 && wallMs < 1_000);
  assert.equal(await run.output.read(), null);
});

Deno.test("what a record will hold of stderr is told as it comes", async () => {
  const heard: string[] = [];
  const onStderr = (bytes: Uint8Array) => void heard.push(text(bytes));
  const run = createRun(0, { argv: ["./main"], env: [], stdin: null, limits, onStderr }, () => {});
  run.keepStderr(new TextEncoder().encode("one "));
  assert.deepEqual(heard, ["one "]);
  run.exit({ ...EXIT, startErrno: ENOENT, startStep: "exec" });
  assert.equal(heard.join(""), text((await run.record).stderr));
});

Deno.test("a program that a signal ended has the signal's name and no exit code", async () => {
  const { run } = start();
  run.exit({ ...EXIT, status: 11 });
  const { exit, signal } = await run.record;
  assert.deepEqual([exit, signal], [null, "SIGSEGV"]);
});

Deno.test("a program that cannot be executed exits as in a shell, and stderr says why", async () => {
  for (const [startErrno, code] of [[ENOENT, 127], [EACCES, 126]] as const) {
    const { run } = start();
    run.exit({ ...EXIT, startErrno, startStep: "exec" });
    const { exit, stderr } = await run.record;
    assert.equal(exit, code);
    assert.match(text(stderr), /^cannot execute \.\/main: \w/);
  }
});

Deno.test("a run that could not start is our own failure, in record and output", async () => {
  const { run } = start();
  run.exit({ ...EXIT, cause: "start", startStep: "mounts", startErrno: 12 });
  const failure = { code: "sandbox_unavailable", message: /mounts.*out of memory/ };
  await assert.rejects(run.record, failure);
  await assert.rejects(run.output.read(), failure);
});

Deno.test("a limit that ends a run is in its record, and its output fails", async () => {
  for (const limit of ["timeout", "memory", "stdout", "aborted"] as const) {
    const { run } = start();
    run.receive(Uint8Array.of(1));
    run.exit({ ...EXIT, cause: limit, status: 9 });
    assert.equal((await run.record).limit, limit);
    const code = limit === "timeout" ? "program_timeout" : "program_limit";
    await assert.rejects(run.output.read(), { code });
    assert.deepEqual(limitError(limit, limits).data, { limit });
  }
});

Deno.test("a run that is killed or whose output is given up is asked to end, unless it has", async () => {
  const { run, sent } = start();
  run.kill();
  await run.output.cancel();
  run.exit({ ...EXIT, cause: "aborted" });
  run.kill();
  assert.deepEqual(sent, [FRAME.kill, FRAME.kill]);
});

Deno.test("a run that is extended is overdue later, and its timeout says what it had", async () => {
  const { run, sent } = start();
  const { overdueAt } = run;
  run.extend(500);
  assert.equal(run.overdueAt, overdueAt + 500);
  run.exit({ ...EXIT, cause: "timeout" });
  run.extend(500);
  assert.deepEqual([run.overdueAt, sent], [overdueAt + 500, [FRAME.extend]]);
  await assert.rejects(run.output.read(), { message: /longer than 1500 ms/ });
});

Deno.test("nobody has to wait for the record of a run that fails", async () => {
  const { run } = start();
  run.fail(new KhachapuriError("sandbox_unavailable", "the sandbox ended"));
  await assert.rejects(run.output.read(), { code: "sandbox_unavailable" });
});

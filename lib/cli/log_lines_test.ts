import assert from "node:assert/strict";
import type { LoggedRun, ServerEntry } from "../client/logs.ts";
import { logItems, refusalLines, runJson, runLines } from "./log_lines.ts";

const RUN: LoggedRun = {
  at: Date.parse("2026-11-28T17:42:00.250Z"),
  method: "GET",
  path: "/a%20b",
  status: 200,
  exit: 0,
  signal: null,
  limit: null,
  wallMs: 12.4,
  cpuMs: 3.2,
  peakMemoryBytes: 5_000_000,
  stdinBytes: 1,
  stdoutBytes: 2,
  stderrBytes: 0,
  credits: 1,
  egress: null,
  reason: null,
  stderr: "",
};

Deno.test("a run is one line: when, what, how it ended, what it used", () => {
  assert.deepEqual(runLines(RUN), [
    "2026-11-28T17:42:00.250Z GET /a%20b 200, exit 0, 12 ms, cpu 3 ms, 5 MiB, 1 B in, 2 B out",
  ]);
  const [line] = runLines({ ...RUN, path: "", cpuMs: null, peakMemoryBytes: null, credits: 3 });
  assert.equal(
    line,
    "2026-11-28T17:42:00.250Z GET / 200, exit 0, 12 ms, 1 B in, 2 B out, 3 credits",
  );
  assert.match(runLines({ ...RUN, path: null })[0]!, /Z GET 200, /);
});

Deno.test("below it stand what it called, why it ended so, and what it wrote to stderr", () => {
  const egress = { connections: 2, sentBytes: 300, receivedBytes: 4_000, unreached: [] };
  const reason = "it asked for a.test, which its spec does not list: deploy it so";
  assert.deepEqual(runLines({ ...RUN, exit: 1, egress, reason, stderr: "one\n two\n" }).slice(1), [
    "  called: 2 connections, 300 B sent, 4000 B received",
    `  why: ${reason}`,
    "  one",
    "   two",
  ]);
  const none = { connections: 0, sentBytes: 0, receivedBytes: 0, unreached: [] };
  assert.equal(runLines({ ...RUN, egress: none }).length, 1);
});

Deno.test("what ended it is named once", () => {
  const killed = { ...RUN, exit: null, signal: "SIGKILL" };
  assert.match(runLines(killed)[0]!, /200, ended by SIGKILL, /);
  assert.match(runLines({ ...killed, limit: "memory" })[0]!, /hit its memory limit, /);
  const escaped = "went on working while it was to stand still";
  const [line, ...others] = runLines({ ...killed, limit: "escaped", reason: `it ${escaped}` });
  assert.ok(line!.includes(`, ${escaped}, `), line);
  assert.deepEqual(others, []);
  const told = runLines({ ...killed, limit: "memory", reason: "it hit its memory limit" });
  assert.deepEqual([told.length, /hit its memory limit/.test(told[0]!)], [1, true]);
  const slow = runLines({ ...killed, limit: "timeout", reason: "the program ran for 5000 ms" });
  assert.match(slow[0]!, /, hit its timeout limit, /);
  assert.deepEqual(slow.slice(1), ["  why: the program ran for 5000 ms"]);
  assert.match(runLines({ ...killed, limit: "aborted" })[0]!, /ended before its own end/);
});

Deno.test("as JSON it has the same time and path", () => {
  const { at, path, wallMs } = runJson({ ...RUN, path: "" });
  assert.deepEqual([at, path, wallMs], ["2026-11-28T17:42:00.250Z", "/", 12.4]);
  assert.equal(runJson({ ...RUN, path: null }).path, null);
});

const NOTHING = { output: null, event: null, readyMs: null, why: null, reason: null };

function entry(secondsLater: number, told: Partial<ServerEntry>): ServerEntry {
  return { at: RUN.at + 1_000 * secondsLater, instance: 2, ...NOTHING, ...told };
}

Deno.test("a server's lines and its instances' lives stand among the runs by their time", () => {
  const server = [
    entry(-2, { event: "started", readyMs: 120.3 }),
    entry(-1, { output: "listening\n\non \x1b[1m8080" }),
    entry(1, { event: "ended", why: "crashed", reason: "it ended by itself, exit 3" }),
    entry(1, { event: "failed", reason: "it did not listen; it wrote:\nboom" }),
    entry(2, { event: "thawed" }),
  ];
  const items = logItems({ runs: [RUN], server });
  assert.deepEqual(items.flatMap(({ lines }) => lines), [
    "2026-11-28T17:41:58.250Z instance 2 started in 120 ms",
    "2026-11-28T17:41:59.250Z [2] listening",
    "2026-11-28T17:41:59.250Z [2] ",
    "2026-11-28T17:41:59.250Z [2] on [1m8080",
    ...runLines(RUN),
    "2026-11-28T17:42:01.250Z instance 2 ended: it ended by itself, exit 3",
    "2026-11-28T17:42:01.250Z instance 2 did not start: it did not listen; it wrote:",
    "  boom",
  ]);
  const life = { readyMs: 120.3, why: null, reason: null };
  assert.deepEqual(items.slice(0, 2).map(({ json }) => json), [
    { at: "2026-11-28T17:41:58.250Z", instance: 2, event: "started", ...life },
    { at: "2026-11-28T17:41:59.250Z", instance: 2, output: "listening" },
  ]);
});

Deno.test("a failed start is told once, by its entry or else as what keeps it from running", () => {
  const message = "the server did not start: it exited with 1 before it listened";
  const refusal = { message, hints: ["mend it"] };
  const server = [entry(0, { event: "failed", reason: `${message}\nmend it` })];
  const above = logItems({ runs: [], server }).flatMap(({ lines }) => lines);
  const told = "cannot run: the server does not start, as told above";
  assert.deepEqual(refusalLines(refusal, above), [told]);
  const whole = [`cannot run: ${message}`, "  mend it"];
  assert.deepEqual(refusalLines(refusal), whole);
  assert.deepEqual(
    refusalLines({ ...refusal, message: "no main" }, above)[0],
    "cannot run: no main",
  );
  const other = logItems({ runs: [], server: [entry(0, { event: "failed", reason: "else" })] });
  assert.deepEqual(refusalLines(refusal, other.flatMap(({ lines }) => lines)), whole);
});

Deno.test("nothing of a run or a refusal moves the cursor", () => {
  const lines = runLines({ ...RUN, path: "/\x1b[2J", stderr: "\x1b[2J\x9bA" });
  const server = [
    entry(0, { output: "\x1b[2J\rA" }),
    entry(0, { event: "ended", reason: "\x9bA" }),
  ];
  lines.push(...logItems({ runs: [], server }).flatMap((item) => item.lines));
  const refused = refusalLines({ message: "no\x1b[2J", hints: ["\x07do"] });
  assert.deepEqual(refused, ["cannot run: no[2J", "  do"]);
  // deno-lint-ignore no-control-regex -- control characters are what must not be there
  assert.doesNotMatch([...lines, ...refused].join(""), /[\x00-\x1f\x7f-\x9f]/);
  assert.deepEqual(refusalLines(null), []);
});

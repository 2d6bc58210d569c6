import assert from "node:assert/strict";
import { manualClock } from "../../../worlds/clock.ts";
import type { RunRecord } from "../../../sandbox/sandbox.ts";
import type { CidText } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import type { ServerEntry } from "../deployment/server_entries.ts";
import { metricsText } from "../metrics/metrics.ts";
import { ServerUsage } from "../metrics/server_usage.ts";
import type { ServerEvent } from "../server/life.ts";
import { serverNotes } from "./server_notes.ts";

const [A, B] = ["a", "b"] as [CidText, CidText];

const RECORD: RunRecord = {
  exit: 3,
  signal: null,
  limit: null,
  wallMs: 900,
  listeningPort: null,
  cpuMs: 250,
  peakMemoryBytes: null,
  stdinBytes: 0,
  stdoutBytes: 0,
  stderrBytes: 0,
  egress: null,
  stderr: new Uint8Array(),
};

function openNotes() {
  const clock = manualClock(1_000);
  const entries: [CidText, ServerEntry][] = [];
  const usage = new ServerUsage();
  const runLog = {
    addServerEntry: (cid: CidText, entry: ServerEntry) => void entries.push([cid, entry]),
  };
  const note = serverNotes({ runLog, usage, clock });
  return {
    clock,
    usage,
    note: (event: ServerEvent) => note({ cid: A }, event),
    print: (text: string, instance = 1, cid = A) =>
      note({ cid }, { kind: "output", instance, bytes: new TextEncoder().encode(text) }),
    /** What was logged since this was asked last: when, by which instance, what. */
    logged: () =>
      entries.splice(0).map(([cid, entry]) => {
        const { at, instance } = entry;
        return [cid, at, instance, "output" in entry ? entry.output : entry.event];
      }),
    entries: () => entries.splice(0).map(([, entry]) => entry),
  };
}

Deno.test("what an instance writes in a moment is one entry, of the time when it began", () => {
  const { clock, print, logged } = openNotes();
  print("one\n");
  clock.advance(40);
  print("two\nthr");
  print("other\n", 2);
  print("another\n", 1, B);
  assert.deepEqual(logged(), []);
  clock.advance(60);
  assert.deepEqual(logged(), [[A, 1_000, 1, "one\ntwo"]]);
  clock.advance(40);
  assert.deepEqual(logged(), [[A, 1_040, 2, "other"], [B, 1_040, 1, "another"]]);
  print("ee\n");
  clock.advance(60);
  assert.deepEqual(logged(), [[A, 1_100, 1, "three"]]);
  assert.equal(clock.pending(), 0, "nothing is looked at where nobody writes");
});

Deno.test("a line without an end waits a moment for it, and no longer", () => {
  const { clock, print, logged } = openNotes();
  print("prompt> ");
  clock.advance(100);
  assert.deepEqual(logged(), []);
  clock.advance(100);
  assert.deepEqual(logged(), [[A, 1_000, 1, "prompt> "]]);
  assert.equal(clock.pending(), 0);
});

Deno.test("one that writes much is logged as it goes", () => {
  const { print, logged } = openNotes();
  for (let index = 0; index < 100; index++) print(`${"x".repeat(999)}\n`);
  const texts = logged().map(([, , , text]) => String(text));
  assert.deepEqual(texts.length, 5);
  assert.ok(texts.every((text) => text.split("\n").length === 17));
});

Deno.test("the end of an instance comes after all that it wrote", () => {
  for (const kind of ["failed", "ended"] as const) {
    const { clock, note, print, logged } = openNotes();
    print("Traceback\nbo");
    print("m");
    const why = new KhachapuriError("program_failed", "it ended by itself");
    note(
      kind === "failed"
        ? { kind, instance: 1, why, toOwner: why, record: null }
        : { kind, instance: 1, why: "crashed", record: null },
    );
    assert.deepEqual(logged(), [[A, 1_000, 1, "Traceback\nbom"], [A, 1_000, 1, kind]]);
    assert.equal(clock.pending(), 0);
  }
});

Deno.test("what becomes of instances is logged in words", () => {
  const { note, entries } = openNotes();
  const at = { at: 1_000, instance: 7 };
  const why = new KhachapuriError("program_failed", "it exited with 1");
  const toOwner = why.toldWith({
    message: "it exited with 1: the module flask is not in the program",
    hints: ["install it", "it printed: No module named flask"],
  });
  note({ kind: "started", instance: 7, readyMs: 120.34 });
  note({ kind: "failed", instance: 7, why, toOwner, record: RECORD });
  note({ kind: "ended", instance: 7, why: "idle", record: RECORD });
  const nothing = { readyMs: null, why: null, reason: null };
  assert.deepEqual(entries(), [
    { ...at, event: "started", ...nothing, readyMs: 120.3 },
    {
      ...at,
      event: "failed",
      ...nothing,
      reason: "it exited with 1: the module flask is not in the program\ninstall it",
    },
    { ...at, event: "ended", ...nothing, why: "idle", reason: "nobody needed it any more" },
  ]);
  const ended = (why: "crashed" | "escaped", record: Partial<RunRecord> | null) => {
    note({ kind: "ended", instance: 7, why, record: record && { ...RECORD, ...record } });
    const [entry] = entries();
    return "reason" in entry! ? entry.reason : null;
  };
  assert.equal(ended("crashed", {}), "it ended by itself, exit 3");
  assert.equal(ended("crashed", { exit: null, signal: "SIGSEGV" }), "it was ended by SIGSEGV");
  const killed = { exit: null, signal: "SIGKILL", limit: "memory" } as const;
  assert.equal(ended("crashed", killed), "it hit its memory limit");
  assert.equal(ended("crashed", null), "its sandbox failed");
  assert.equal(ended("escaped", killed), "it worked while it was to stand still");
});

Deno.test("starts and ends are counted, with the time that was used", async () => {
  const { note, usage } = openNotes();
  note({ kind: "started", instance: 1, readyMs: 1 });
  note({ kind: "ended", instance: 1, why: "timeout", record: RECORD });
  const why = new KhachapuriError("program_failed", "no");
  note({ kind: "failed", instance: 2, why, toOwner: why, record: RECORD });
  const text = await metricsText(usage.metrics);
  assert.match(text, /starts_total\{outcome="ready"\} 1\n.*starts_total\{outcome="failed"\} 1\n/);
  assert.match(text, /ends_total\{why="timeout"\} 1\n/);
  assert.match(text, /cpu_seconds_total 0.5\n/);
});

import assert from "node:assert/strict";
import type { RunRecord } from "../../../sandbox/sandbox.ts";
import { metricsText } from "./metrics.ts";
import { RunUsage } from "./run_usage.ts";

function recordOf(changes: Partial<RunRecord> = {}): RunRecord {
  return {
    exit: 0,
    signal: null,
    limit: null,
    wallMs: 0,
    cpuMs: 0,
    peakMemoryBytes: 0,
    stdinBytes: 0,
    stdoutBytes: 0,
    listeningPort: null,
    stderrBytes: 0,
    egress: null,
    stderr: new Uint8Array(),
    ...changes,
  };
}

/** Every sample, by its name and labels. */
async function samplesOf(usage: RunUsage): Promise<Record<string, number>> {
  const lines = (await metricsText(usage.metrics)).trimEnd().split("\n");
  const samples = lines.filter((line) => !line.startsWith("#") && !line.includes("_duration_"));
  return Object.fromEntries(samples.map((line) => {
    const [name, value] = line.replaceAll("khachapuri_run_", "").split(" ");
    return [name, Number(value)];
  }));
}

const NOTHING = {
  'seconds_total{clock="wall"}': 0,
  'seconds_total{clock="cpu"}': 0,
  'bytes_total{stream="stdin"}': 0,
  'bytes_total{stream="stdout"}': 0,
  'bytes_total{stream="stderr"}': 0,
  peak_memory_bytes: 0,
};

Deno.test("before the first run everything is zero, and no limit has ended any", async () => {
  assert.deepEqual(await samplesOf(new RunUsage()), NOTHING);
});

Deno.test("times in seconds and bytes are summed, of memory the most is kept", async () => {
  const usage = new RunUsage();
  const bytes = { stdinBytes: 10, stdoutBytes: 200, stderrBytes: 3_000 };
  usage.note(recordOf({ wallMs: 1_500, cpuMs: 250, peakMemoryBytes: 900, ...bytes }));
  usage.note(recordOf({ wallMs: 500, cpuMs: 1_000, peakMemoryBytes: 400, stdinBytes: 1 }));
  assert.deepEqual(await samplesOf(usage), {
    'seconds_total{clock="wall"}': 2,
    'seconds_total{clock="cpu"}': 1.25,
    'bytes_total{stream="stdin"}': 11,
    'bytes_total{stream="stdout"}': 200,
    'bytes_total{stream="stderr"}': 3_000,
    peak_memory_bytes: 900,
  });
});

Deno.test("what cannot be measured counts as nothing", async () => {
  const usage = new RunUsage();
  usage.note(recordOf({ cpuMs: 1_000, peakMemoryBytes: 5 }));
  usage.note(recordOf({ cpuMs: null, peakMemoryBytes: null }));
  const samples = await samplesOf(usage);
  assert.deepEqual(samples, {
    ...NOTHING,
    'seconds_total{clock="cpu"}': 1,
    peak_memory_bytes: 5,
  });
});

Deno.test("runs that a limit ended are counted by the limit, the others are not", async () => {
  const usage = new RunUsage();
  for (const limit of ["memory", "timeout", null, "memory"] as const) {
    usage.note(recordOf({ limit }));
  }
  const limits = { 'limits_total{limit="memory"}': 2, 'limits_total{limit="timeout"}': 1 };
  assert.deepEqual(await samplesOf(usage), { ...limits, ...NOTHING });
});

Deno.test("each provider counts its own runs", async () => {
  const [first, second] = [new RunUsage(), new RunUsage()];
  first.note(recordOf({ wallMs: 1_000, limit: "stdout" }));
  assert.deepEqual(await samplesOf(second), NOTHING);
});

Deno.test("how long runs took is told by clock; what was not measured is no short run", async () => {
  const usage = new RunUsage();
  usage.note(recordOf({ wallMs: 70, cpuMs: 7 }));
  usage.note(recordOf({ wallMs: 2_000, cpuMs: null }));
  const text = await metricsText(usage.metrics);
  const name = "khachapuri_run_duration_seconds";
  assert.ok(text.includes(`\n${name}_bucket{clock="wall",le="0.1"} 1\n`));
  assert.ok(text.includes(`\n${name}_count{clock="wall"} 2\n`));
  assert.ok(text.includes(`\n${name}_bucket{clock="cpu",le="0.01"} 1\n`));
  assert.ok(text.includes(`\n${name}_count{clock="cpu"} 1\n`));
});

import assert from "node:assert/strict";
import type { RunRecord } from "../../../sandbox/sandbox.ts";
import { metricsText } from "./metrics.ts";
import { RunUsage } from "./run_usage.ts";

const RECORD: RunRecord = {
  exit: 0,
  signal: null,
  limit: null,
  wallMs: 1_500,
  cpuMs: 250,
  peakMemoryBytes: 1_000,
  stdinBytes: 1,
  stdoutBytes: 20,
  stderrBytes: 300,
  stderr: new Uint8Array(),
};

Deno.test("what runs have used is summed, and the most that one held is kept", async () => {
  const usage = new RunUsage();
  usage.note(RECORD);
  usage.note({ ...RECORD, peakMemoryBytes: 4_000, limit: "memory" });
  usage.note({ ...RECORD, cpuMs: null, peakMemoryBytes: null });
  const text = await metricsText(usage.metrics);
  for (
    const line of [
      'khachapuri_run_seconds_total{clock="wall"} 4.5',
      'khachapuri_run_seconds_total{clock="cpu"} 0.5',
      'khachapuri_run_bytes_total{stream="stdin"} 3',
      'khachapuri_run_bytes_total{stream="stdout"} 60',
      'khachapuri_run_bytes_total{stream="stderr"} 900',
      'khachapuri_run_limits_total{limit="memory"} 1',
      "khachapuri_run_peak_memory_bytes 4000",
    ]
  ) assert.ok(text.includes(`${line}\n`), line);
});

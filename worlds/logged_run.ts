import type { LoggedRun } from "../lib/provider/deployment/run_log.ts";

/** A run as the run log keeps it. */
export const RUN: LoggedRun = {
  at: 0,
  method: "GET",
  path: "/",
  status: 200,
  exit: 0,
  signal: null,
  limit: null,
  wallMs: 1,
  cpuMs: null,
  peakMemoryBytes: null,
  stdinBytes: 0,
  stdoutBytes: 0,
  stderrBytes: 4,
  egress: null,
  reason: null,
  stderr: "oops",
};

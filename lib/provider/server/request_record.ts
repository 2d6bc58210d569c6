/** What is recorded of a request at a server: what it used cannot be told from other requests'. */
import type { RunRecord } from "../../../sandbox/sandbox.ts";

/** What is known of it. */
export type RequestFacts = Pick<
  RunRecord,
  "exit" | "signal" | "limit" | "wallMs" | "stdinBytes" | "stdoutBytes"
>;

export function requestRecord(facts: RequestFacts): RunRecord {
  return {
    ...facts,
    listeningPort: null,
    cpuMs: null,
    peakMemoryBytes: null,
    stderrBytes: 0,
    egress: null,
    stderr: new Uint8Array(0),
  };
}

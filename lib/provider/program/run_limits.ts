/** What one run may use: the same for a caller's call and for a rehearsal. */
import type { SandboxPolicy } from "../../../sandbox/sandbox.ts";
import { RESPONSE_BYTES_MAX, RESPONSE_HEAD_BYTES_MAX, STDERR_BYTES_MAX } from "../../limits.ts";

export function runLimits(timeoutMs: number, memoryMb: number): SandboxPolicy["limits"] {
  return {
    timeoutMs,
    memoryMb,
    stdoutBytes: RESPONSE_BYTES_MAX + RESPONSE_HEAD_BYTES_MAX,
    stderrBytes: STDERR_BYTES_MAX,
  };
}

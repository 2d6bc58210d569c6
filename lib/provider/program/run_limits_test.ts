import assert from "node:assert/strict";
import { RESPONSE_BYTES_MAX, RESPONSE_HEAD_BYTES_MAX, STDERR_BYTES_MAX } from "../../limits.ts";
import { runLimits } from "./run_limits.ts";

Deno.test("a run may print the largest answer with the largest head, and no byte more", () => {
  assert.deepEqual(runLimits(1_000, 64), {
    timeoutMs: 1_000,
    memoryMb: 64,
    stdoutBytes: RESPONSE_BYTES_MAX + RESPONSE_HEAD_BYTES_MAX,
    stderrBytes: STDERR_BYTES_MAX,
  });
});

import assert from "node:assert/strict";
import { RESPONSE_BYTES_DEFAULT, RESPONSE_HEAD_BYTES_MAX, STDERR_BYTES_MAX } from "../../limits.ts";
import { runCreditsMax, runLimits } from "./run_limits.ts";

const LIMITS = { timeoutMs: 1, memoryMb: 1, concurrency: 1, ownerCreditsPerMinute: 1 };

Deno.test("a run takes one credit unless its spec asks for more, and the provider's at most", () => {
  assert.equal(runCreditsMax({ limits: LIMITS }, 10), 1);
  assert.equal(runCreditsMax({ limits: { ...LIMITS, credits: 4 } }, 10), 4);
  assert.equal(runCreditsMax({ limits: { ...LIMITS, credits: 40 } }, 10), 10);
});

Deno.test("a run may print the largest answer with the largest head, and no byte more", () => {
  assert.deepEqual(runLimits({ timeoutMs: 1_000, memoryMb: 64 }), {
    timeoutMs: 1_000,
    credits: 1,
    memoryMb: 64,
    stdoutBytes: RESPONSE_BYTES_DEFAULT + RESPONSE_HEAD_BYTES_MAX,
    stderrBytes: STDERR_BYTES_MAX,
  });
  assert.equal(
    runLimits({ timeoutMs: 1_000, memoryMb: 64, responseBytes: 5 }).stdoutBytes,
    5 + RESPONSE_HEAD_BYTES_MAX,
  );
});

import assert from "node:assert/strict";
import { requestRecord } from "./request_record.ts";

Deno.test("a request's record tells how it went, and nothing of what its server used", () => {
  const facts = {
    exit: 0,
    signal: null,
    limit: null,
    wallMs: 2.5,
    stdinBytes: 3,
    stdoutBytes: 4,
  };
  const { stderr, ...record } = requestRecord(facts);
  assert.equal(stderr.length, 0);
  assert.deepEqual(record, {
    ...facts,
    listeningPort: null,
    cpuMs: null,
    peakMemoryBytes: null,
    stderrBytes: 0,
    egress: null,
  });
});

import assert from "node:assert/strict";
import { LIMITS } from "../../../worlds/sandbox/played_run.ts";
import type { RunRecord } from "../../../sandbox/sandbox.ts";
import { endedAtWork, placesTaken, seatsTaken } from "./faults.ts";

const ended = (record: Partial<RunRecord>) => {
  return { exit: 1, signal: null, limit: null, ...record } as RunRecord;
};

Deno.test("the end of a server is told by what ended it", () => {
  const told = (record: Partial<RunRecord>) => {
    const error = endedAtWork(ended(record), LIMITS);
    return `${error.code}: ${error.message}`;
  };
  const cases: Partial<RunRecord>[] = [
    { exit: 0 },
    { exit: null, signal: "SIGSYS" },
    { limit: "memory" },
    { limit: "escaped" },
  ];
  assert.deepEqual(cases.map(told), [
    "program_failed: the server ended with exit code 0 while it worked on the request",
    "program_failed: the server was ended by SIGSYS while it worked on the request",
    "program_limit: the program used more than 64 MiB of memory",
    "program_limit: the program worked while it was to stand still",
  ]);
});

Deno.test("what passes says when to come back", () => {
  for (const { retryAfterSeconds } of [seatsTaken(), placesTaken()]) {
    assert.equal(retryAfterSeconds, 1);
  }
});

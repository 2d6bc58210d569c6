import assert from "node:assert/strict";
import { LIMITS } from "../../../worlds/sandbox/played_run.ts";
import type { RunRecord } from "../../../sandbox/sandbox.ts";
import { endedAtStart, endedAtWork, listensNot, placesTaken, seatsTaken } from "./faults.ts";

const ended = (record: Partial<RunRecord>) => {
  return { exit: 1, signal: null, limit: null, ...record } as RunRecord;
};

Deno.test("the end of a server is told by what ended it", () => {
  const told = ([record, during]: [Partial<RunRecord>, "start" | "work"]) => {
    const error = during === "start"
      ? endedAtStart(ended(record), LIMITS, "127.0.0.1:8080")
      : endedAtWork(ended(record), LIMITS);
    return `${error.code}: ${error.message}`;
  };
  const cases: [Partial<RunRecord>, "start" | "work"][] = [
    [{ exit: 127 }, "start"],
    [{ exit: null, signal: "SIGSYS" }, "start"],
    [{ limit: "memory" }, "start"],
    [{ exit: 0 }, "work"],
    [{ limit: "escaped" }, "work"],
  ];
  assert.deepEqual(cases.map(told), [
    "program_failed: the server ended with exit code 127 before it listened on 127.0.0.1:8080",
    "program_failed: the server was ended by SIGSYS before it listened on 127.0.0.1:8080",
    "program_limit: the program used more than 64 MiB of memory before it listened on 127.0.0.1:8080",
    "program_failed: the server ended with exit code 0 while it worked on the request",
    "program_limit: the program worked while it was to stand still",
  ]);
});

Deno.test("a server that does not listen is told where it should", () => {
  const { code, message, hints } = listensNot("127.0.0.1:3000");
  assert.equal(code, "program_failed");
  assert.equal(message, "the server did not listen on 127.0.0.1:3000 within 10 s");
  assert.match(hints[0]!, /PORT/);
});

Deno.test("what passes says when to come back", () => {
  for (const { retryAfterSeconds } of [seatsTaken(), placesTaken()]) {
    assert.equal(retryAfterSeconds, 1);
  }
});

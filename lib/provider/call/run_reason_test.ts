import assert from "node:assert/strict";
import { KhachapuriError } from "../../errors.ts";
import { AT_A_PROVIDER } from "../program/detector.ts";
import { type RunEnd, runReason } from "./run_reason.ts";

const WELL: RunEnd = {
  record: {
    exit: 0,
    signal: null,
    limit: null,
    wallMs: 1,
    listeningPort: null,
    cpuMs: null,
    peakMemoryBytes: null,
    stdinBytes: 0,
    stdoutBytes: 0,
    stderrBytes: 0,
    egress: null,
    stderr: new Uint8Array(),
  },
  error: null,
  isShutdown: false,
  isExpelled: false,
  hasCallerLeft: false,
  creditRefusal: null,
  interface: "curl",
  mayCall: [],
  place: AT_A_PROVIDER,
  beginning: null,
};

const record = (fields: Partial<RunEnd["record"]>) => ({ record: { ...WELL.record, ...fields } });
const text = (value: string) => new TextEncoder().encode(value);
const MORE_TIME = "deploy with --credits N if it is to take N times as long";
const reason = (fields: Partial<RunEnd>) => runReason({ ...WELL, ...fields });

Deno.test("a run that did what it should has no reason, nor has one that only exits with a code", () => {
  assert.equal(reason({}), null);
  assert.equal(reason(record({ exit: 3, stderr: text("oops") })), null);
});

Deno.test("whoever ended a run is named: a limit, a head that is none, the caller, we", () => {
  const head = new KhachapuriError("program_failed", "the program printed a malformed head: x");
  const aborted = record({ exit: null, signal: "SIGKILL", limit: "aborted" });
  assert.equal(reason({ ...aborted, error: head }), head.message);
  const early = new KhachapuriError("program_limit", "the run was ended before it finished");
  for (const error of [null, early]) {
    const left = reason({ ...aborted, error, hasCallerLeft: true });
    assert.equal(left, "the caller left before the answer's end");
    // As by `stop`, or at the end of a server that another has taken the place of.
    assert.match(reason({ ...aborted, error })!, /^it was ended .* stopped or replaced$/);
  }
  const upload = new KhachapuriError("body_too_large", "request bodies have at most so many bytes");
  assert.equal(reason({ ...aborted, error: upload }), upload.message);
  assert.equal(reason({ ...aborted, isShutdown: true }), "the provider was shut down");
  const expelled = reason({ ...aborted, isExpelled: true });
  assert.equal(expelled, "the provider serves this deployment no more");
  const slow = new KhachapuriError("program_timeout", "the program ran longer than 15000 ms");
  assert.equal(
    reason({ ...record({ limit: "timeout" }), error: slow }),
    `${slow.message}; ${MORE_TIME}`,
  );
  assert.equal(reason(record({ limit: "memory" })), "it hit its memory limit");
  const escaped = "it went on working while it was to stand still";
  assert.equal(reason({ ...record({ limit: "escaped" }), interface: "http" }), escaped);
});

Deno.test("a run that ran out of time says why it got no further credit, and no other run does", () => {
  const creditRefusal = new KhachapuriError("payment_required", "the permit is used up");
  const error = new KhachapuriError("program_timeout", "the program ran longer than 30000 ms");
  const why = "no further credit was to be had: the permit is used up";
  const timeout = record({ exit: null, signal: "SIGKILL", limit: "timeout" });
  assert.equal(reason({ ...timeout, error, creditRefusal }), `${error.message}; ${why}`);
  assert.equal(reason({ creditRefusal }), null);
  // A WebSocket's answer is whole with its 101.
  assert.equal(reason(timeout), `it hit its timeout limit; ${MORE_TIME}`);
  const here = { command: "dev", connectTo: {} } as const;
  assert.match(reason({ ...timeout, place: here })!, /; start dev with --credits N /);
  const listening = { ...timeout.record, listeningPort: 8080 };
  assert.doesNotMatch(reason({ record: listening, error })!, /--credits/);
});

Deno.test("what can be told of a failure follows, with what to do", () => {
  const error = new KhachapuriError("program_failed", "the program exited with 1");
  const stderr = text("Error: Cannot find module 'left-pad'");
  assert.match(
    reason({ ...record({ exit: 1, stderr }), error })!,
    /^the program exited with 1; the module left-pad is not in the program: install it/,
  );
  const beginning = text("Content-Type: text/html\n\n<p>");
  assert.match(reason({ beginning })!, /^it printed a CGI head, .*--interface cgi/);
});

Deno.test("a host that was not reached is told of a run that ended well too, and once of others", () => {
  const egress: RunEnd["record"]["egress"] = {
    connections: 0,
    sentBytes: 0,
    receivedBytes: 0,
    unreached: [{ host: "api.test", port: null, failure: "notListed" }],
  };
  const words = /it asked for api\.test, which its spec does not list/g;
  assert.match(
    reason(record({ egress }))!,
    /^it asked for api\.test, which its spec does not list/,
  );
  const failed = reason(
    record({ egress, exit: 6, stderr: text("Could not resolve host: api.test") }),
  );
  assert.equal(failed!.match(words)!.length, 1);
  const other = reason(record({ egress, exit: 1, stderr: text("ENOSPC") }))!;
  assert.match(other, /^it asked for api\.test/);
  assert.equal(other.match(words)!.length, 1);
});

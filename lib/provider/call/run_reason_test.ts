import assert from "node:assert/strict";
import { KhachapuriError } from "../../errors.ts";
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
    stderr: new Uint8Array(),
  },
  error: null,
  isShutdown: false,
  interface: "curl",
  beginning: null,
};

const record = (fields: Partial<RunEnd["record"]>) => ({ record: { ...WELL.record, ...fields } });
const text = (value: string) => new TextEncoder().encode(value);
const reason = (fields: Partial<RunEnd>) => runReason({ ...WELL, ...fields });

Deno.test("a run that did what it should has no reason, nor has one that only exits with a code", () => {
  assert.equal(reason({}), null);
  assert.equal(reason(record({ exit: 3, stderr: text("oops") })), null);
});

Deno.test("whoever ended a run is named: a limit, a head that is none, the caller, we", () => {
  const head = new KhachapuriError("program_failed", "the program printed a malformed head: x");
  const aborted = record({ exit: null, signal: "SIGKILL", limit: "aborted" });
  assert.equal(reason({ ...aborted, error: head }), head.message);
  assert.equal(reason(aborted), "the caller left before the answer's end");
  const early = new KhachapuriError("program_limit", "the run was ended before it finished");
  assert.equal(reason({ ...aborted, error: early }), "the caller left before the answer's end");
  const upload = new KhachapuriError("body_too_large", "request bodies have at most so many bytes");
  assert.equal(reason({ ...aborted, error: upload }), upload.message);
  assert.equal(reason({ ...aborted, isShutdown: true }), "the provider was shut down");
  const slow = new KhachapuriError("program_timeout", "the program ran longer than 15000 ms");
  assert.equal(reason({ ...record({ limit: "timeout" }), error: slow }), slow.message);
  assert.equal(reason(record({ limit: "memory" })), "it hit its memory limit");
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

/** The provider's half of one run: feeds stdin, hands out stdout, keeps stderr, tells the end. */
import { KhachapuriError } from "../lib/errors.ts";
import { KILL_GRACE_MS, SANDBOX_START_MS_MAX } from "../lib/limits.ts";
import {
  CHUNK_BYTES_MAX,
  encodeBare,
  encodeCredit,
  encodeFrame,
  type Exit,
  FRAME,
  STDIN_CLOSED,
  STDIN_WINDOW_BYTES,
} from "./protocol.ts";
import type { SandboxPolicy } from "./policy.ts";
import { concat } from "./bytes.ts";
import { createOutput, type Output, streamOf } from "./output.ts";
import { errnoText, signalName } from "./explain.ts";

/** The limit that ended a run. */
export type RunLimit = "timeout" | "memory" | "stdout" | "aborted";

/** What became of a run. */
export interface RunRecord {
  /** Exit code; null when a signal ended the program. */
  exit: number | null;
  /** e.g. "SIGSEGV". */
  signal: string | null;
  /** The limit that ended the run, if one did. */
  limit: RunLimit | null;
  wallMs: number;
  /** User and system time of all its processes, where it can be measured. */
  cpuMs: number | null;
  /** Where it can be measured. */
  peakMemoryBytes: number | null;
  stdinBytes: number;
  stdoutBytes: number;
  stderrBytes: number;
  /** The beginning of stderr, at most `limits.stderrBytes`. */
  stderr: Uint8Array;
}

export interface Run {
  /**
   * As written by the program. Fails with `program_timeout` or `program_limit` when a limit ends
   * the run, so that a cut answer is never taken for a whole one.
   */
  readonly output: Output;
  /** The same as a web stream, for who needs one; read either the one or the other. */
  stdout(): ReadableStream<Uint8Array>;
  /**
   * Resolves when everything the run started is dead. Rejects with `sandbox_unavailable` when our
   * side failed, and only then: nobody may be charged for such a run.
   */
  record: Promise<RunRecord>;
  /** Ends it before its time, with all that it started. */
  kill(): void;
}

export interface RunInput {
  argv: readonly string[];
  /** "NAME=value". */
  env: readonly string[];
  stdin: ReadableStream<Uint8Array> | null;
  limits: SandboxPolicy["limits"];
}

/** A run with the entries through which its sandbox's frames come in. */
export interface LiveRun extends Run {
  readonly index: number;
  /** When its sandbox must have ended it, on the clock of `performance.now()`. */
  readonly overdueAt: number;
  receive(bytes: Uint8Array): void;
  keepStderr(bytes: Uint8Array): void;
  allowStdin(credit: number): void;
  exit(exit: Exit): void;
  /** Our side failed: nobody may be charged for this run. */
  fail(error: KhachapuriError): void;
}

/** @param send puts a frame on the way to the sandbox */
export function createRun(
  index: number,
  input: RunInput,
  send: (frame: Uint8Array) => void,
): LiveRun {
  const startedAt = performance.now();
  const { promise: record, resolve, reject } = Promise.withResolvers<RunRecord>();
  record.catch(() => {}); // Who does not ask how a run ended is not told that it failed.
  const stderr: Uint8Array[] = [];
  let over = false;
  const kill = () => {
    if (!over) send(encodeBare(FRAME.kill, index));
  };
  const output = createOutput((bytes) => send(encodeCredit(index, bytes)), kill);
  const stdin = createStdin(index, input.stdin, send, () => over);
  const end = () => {
    over = true;
    stdin.stop();
  };
  const fail = (error: KhachapuriError) => {
    end();
    output.end(error);
    reject(error);
  };

  return {
    index,
    // A first run also waits for its sandbox to start.
    overdueAt: startedAt + input.limits.timeoutMs + SANDBOX_START_MS_MAX + KILL_GRACE_MS,
    output,
    stdout: () => streamOf(output),
    record,
    kill,
    receive: output.receive,
    keepStderr: (bytes) => void stderr.push(bytes.slice()),
    allowStdin: stdin.allow,
    fail,
    exit(exit) {
      if (exit.cause === "start") return fail(startFailure(exit));
      end();
      const limit = exit.cause === "none" ? null : exit.cause;
      output.end(limit === null ? null : limitError(limit, input.limits));
      if (exit.startErrno !== 0) stderr.push(execFailure(input.argv[0]!, exit.startErrno));
      const wallMs = performance.now() - startedAt;
      resolve({ ...outcome(exit), limit, wallMs, stderr: concat(stderr) });
    },
  };
}

interface Stdin {
  allow(credit: number): void;
  stop(): void;
}

function createStdin(
  index: number,
  source: ReadableStream<Uint8Array> | null,
  send: (frame: Uint8Array) => void,
  over: () => boolean,
): Stdin {
  if (source === null) return { allow() {}, stop() {} };
  const reader = source.getReader();
  let window = STDIN_WINDOW_BYTES;
  let open = true;
  let wake = () => {};
  const stop = () => {
    if (!open) return;
    open = false;
    wake();
    reader.cancel().catch(() => {});
  };
  const pump = async () => {
    while (open) {
      const next = await reader.read();
      if (next.done) break;
      for (let at = 0; at < next.value.length && open;) {
        if (window === 0) await new Promise<void>((resolve) => wake = resolve);
        const size = Math.min(window, CHUNK_BYTES_MAX, next.value.length - at);
        if (!open || size === 0) continue;
        send(encodeFrame(FRAME.stdin, index, next.value.subarray(at, at + size)));
        window -= size;
        at += size;
      }
    }
  };
  // A broken upload reads as end of file; that the caller is gone comes by the abort signal.
  pump().catch(() => {}).finally(() => {
    if (!over()) send(encodeBare(FRAME.stdinEnd, index));
    open = false;
  });
  return {
    allow(credit) {
      if (credit === STDIN_CLOSED) return stop();
      window = Math.min(STDIN_WINDOW_BYTES, window + credit);
      wake();
    },
    stop,
  };
}

function outcome(exit: Exit): Omit<RunRecord, "limit" | "wallMs" | "stderr"> {
  const signal = exit.status & 0x7f;
  const measured = {
    cpuMs: exit.cpuMs,
    peakMemoryBytes: exit.peakBytes,
    stdinBytes: exit.stdinBytes,
    stdoutBytes: exit.stdoutBytes,
    stderrBytes: exit.stderrBytes,
  };
  // As shells do: 127 when there is no such program, 126 when it cannot be executed.
  if (exit.startErrno !== 0) {
    return { exit: exit.startErrno === ENOENT ? 127 : 126, signal: null, ...measured };
  }
  if (signal !== 0) return { exit: null, signal: signalName(signal), ...measured };
  return { exit: (exit.status >> 8) & 0xff, signal: null, ...measured };
}

const ENOENT = 2;

function execFailure(entrypoint: string, errno: number): Uint8Array {
  return new TextEncoder().encode(`cannot execute ${entrypoint}: ${errnoText(errno)}\n`);
}

function startFailure(exit: Exit): KhachapuriError {
  const text = `the sandbox could not start a run (${exit.startStep}): ${
    errnoText(exit.startErrno)
  }`;
  return new KhachapuriError("sandbox_unavailable", text, { retryAfterSeconds: 1 });
}

/** What the caller is told when a limit ended the run. */
export function limitError(limit: RunLimit, limits: SandboxPolicy["limits"]): KhachapuriError {
  const data = { limit };
  if (limit === "timeout") {
    const text = `the program ran longer than ${limits.timeoutMs} ms`;
    return new KhachapuriError("program_timeout", text, { data });
  }
  const texts = {
    memory: `the program used more than ${limits.memoryMb} MiB of memory`,
    stdout: `the program printed more than ${limits.stdoutBytes} bytes`,
    aborted: "the run was ended before the program finished",
  };
  return new KhachapuriError("program_limit", texts[limit], { data });
}

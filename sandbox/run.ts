/** One run as the provider sees it: feeds stdin, hands out stdout, keeps stderr, tells the end. */
import { KhachapuriError } from "../lib/errors.ts";
import { KILL_GRACE_MS, SANDBOX_START_MS_MAX } from "../lib/limits.ts";
import type { ByteSource } from "./byte_source.ts";
import { concat } from "./bytes.ts";
import { errnoText, signalName } from "./explain.ts";
import { createOutput, type Output, streamOf } from "./output.ts";
import type { SandboxPolicy } from "./policy.ts";
import { encodeBare, encodeCredit, type Exit, FRAME, type ProgramString } from "./protocol.ts";
import { createStdin } from "./stdin.ts";

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
  /** A port on which something listened when its time ran out; null: nothing did. */
  listeningPort: number | null;
  /** User and system time of all its processes; null where it cannot be measured. */
  cpuMs: number | null;
  /** null where it cannot be measured. */
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
  /** `output` as a web stream, for callers that need one; then `output` itself must not be read. */
  stdout(): ReadableStream<Uint8Array>;
  /**
   * Resolves when everything the run started is dead. Rejects only with `sandbox_unavailable`, when
   * our side failed: nobody may be charged for such a run.
   */
  record: Promise<RunRecord>;
  /** Ends the run, with all that it started. */
  kill(): void;
}

export interface RunInput {
  argv: readonly ProgramString[];
  /** "NAME=value". */
  env: readonly ProgramString[];
  stdin: ByteSource | null;
  isInItsFolder?: boolean;
  limits: SandboxPolicy["limits"];
}

/** The session's side of a run: its sandbox's frames come in here. */
export interface LiveRun extends Run {
  readonly index: number;
  /** When init must have ended it, on the clock of `performance.now()`. */
  readonly overdueAt: number;
  /** The next bytes of stdout. */
  receive(bytes: Uint8Array): void;
  keepStderr(bytes: Uint8Array): void;
  allowStdin(credit: number): void;
  exit(exit: Exit): void;
  /** Our side failed: the record and the output fail with `error`. */
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
  record.catch(() => {}); // A failure that nobody waits for must not end the provider.
  const stderr: Uint8Array[] = [];
  let over = false;
  const kill = () => {
    if (!over) send(encodeBare(FRAME.kill, index));
  };
  const output = createOutput((bytes) => send(encodeCredit(index, bytes)), kill);
  const stdin = createStdin(index, {
    source: input.stdin,
    send,
    isOver: () => over,
    onBroken: kill,
  });
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
    // The first run of a sandbox also waits for it to start.
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
      if (exit.startErrno !== 0) stderr.push(execFailure(String(input.argv[0]), exit.startErrno));
      const wallMs = performance.now() - startedAt;
      resolve({ ...outcome(exit), limit, wallMs, stderr: concat(stderr) });
    },
  };
}

function outcome(exit: Exit): Omit<RunRecord, "limit" | "wallMs" | "stderr"> {
  const signal = exit.status & 0x7f;
  const measured = {
    listeningPort: exit.listeningPort,
    cpuMs: exit.cpuMs,
    peakMemoryBytes: exit.peakBytes,
    stdinBytes: exit.stdinBytes,
    stdoutBytes: exit.stdoutBytes,
    stderrBytes: exit.stderrBytes,
  };
  // POSIX, as in shells: 127 when there is no such program, 126 when it cannot be executed.
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

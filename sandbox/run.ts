/** One run as the provider sees it: feeds stdin, hands out stdout, keeps stderr, tells the end. */
import { KhachapuriError } from "../lib/errors.ts";
import { KILL_GRACE_MS, SANDBOX_START_MS_MAX } from "../lib/limits.ts";
import type { ByteSource } from "../lib/byte_source.ts";
import { concat } from "./bytes.ts";
import type { EgressEvent } from "./egress.ts";
import type { EgressRecord, EgressTally } from "./egress_tally.ts";
import { errnoText, signalName } from "./explain.ts";
import { createOutput, type Output, streamOf } from "./output.ts";
import type { RunLimits } from "./policy.ts";
import {
  encodeBare,
  encodeCredit,
  encodeExtend,
  type Exit,
  FRAME,
  type ProgramString,
  STDIN_CLOSED,
} from "./protocol.ts";
import { createStdin } from "./stdin.ts";

/** The limit that ended a run. */
export type RunLimit = "timeout" | "memory" | "stdout" | "aborted" | "escaped";

/** What became of a run. */
export interface RunRecord {
  /** Exit code; null when a signal ended the program. */
  exit: number | null;
  /** e.g. "SIGSEGV". */
  signal: string | null;
  /** The limit that ended the run, if one did. */
  limit: RunLimit | null;
  wallMs: number;
  /** A port on which it listened when its time ran out, or we ended it, a server; null: none. */
  listeningPort: number | null;
  /** User and system time of all its processes; null where it cannot be measured. */
  cpuMs: number | null;
  /** null where it cannot be measured. */
  peakMemoryBytes: number | null;
  stdinBytes: number;
  stdoutBytes: number;
  stderrBytes: number;
  /** null: the program has no way out. */
  egress: EgressRecord | null;
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
   * Resolves when everything the run started is dead, also by the end of its sandbox if that was
   * the deployment's own doing. Rejects only with `sandbox_unavailable`, when our side failed:
   * nobody may be charged for such a run.
   */
  record: Promise<RunRecord>;
  /** Ends the run, with all that it started. */
  kill(): void;
  /** The run may take `ms` longer; one that has ended meanwhile stays ended. */
  extend(ms: number): void;
  /**
   * When its time began, on the clock of `performance.now()`. It moves while the sandbox that the
   * run has to wait for is starting, and by the time for which it waits for its caller.
   */
  begun(): number;
}

export interface RunInput {
  argv: readonly ProgramString[];
  /** "NAME=value". */
  env: readonly ProgramString[];
  stdin: ByteSource | null;
  isInItsFolder?: boolean;
  /** It has no deadline, and what it printed counts whatever ends it. */
  isServer?: boolean;
  onStderr?: (bytes: Uint8Array) => void;
  limits: RunLimits;
}

/** The session's side of a run: its sandbox's frames come in here. */
export interface LiveRun extends Run {
  readonly index: number;
  /** When init must have ended it, on the clock of `performance.now()`. */
  readonly overdueAt: number;
  /** Its sandbox is ready: it begins now. */
  begin(): void;
  /** The next bytes of stdout: a copy is kept, unless they are the run's from now on. */
  receive(bytes: Uint8Array, isGiven?: boolean): void;
  keepStderr(bytes: Uint8Array): void;
  noteEgress(event: EgressEvent): void;
  allowStdin(credit: number): void;
  /** It has waited for its caller, which is none of its time. */
  noteWaited(ms: number): void;
  exit(exit: Exit): void;
  /** Our side failed: the record and the output fail with `error`. */
  fail(error: KhachapuriError): void;
  /** Its deployment's programs have ended the sandbox, with all that ran in it. */
  collapse(why: KhachapuriError): void;
}

/**
 * @param send puts a frame on the way to the sandbox
 * @param egress where what it does with its way out is noted; null: it has none
 */
export function createRun(
  index: number,
  input: RunInput,
  send: (frame: Uint8Array) => void,
  egress: EgressTally | null = null,
): LiveRun {
  const report = createReport(input, egress);
  let over = false;
  let begunAt = report.startedAt;
  let allowedMs = input.isServer ? Infinity : input.limits.timeoutMs;
  const kill = () => void (over || send(encodeBare(FRAME.kill, index)));
  const output = createOutput((bytes) => send(encodeCredit(index, bytes)), kill);
  const isOver = () => over;
  const stdin = createStdin(index, { source: input.stdin, send, isOver, onBroken: kill });
  const end = (error: KhachapuriError | null) => {
    over = true;
    stdin.stop();
    output.end(input.isServer ? null : error);
  };
  const fail = (error: KhachapuriError) => {
    end(error);
    report.fail(error);
  };

  const run = {
    index,
    overdueAt: begunAt + msUntilOverdue(input),
    output,
    stdout: () => streamOf(output),
    record: report.record,
    kill,
    begun: () => begunAt,
    begin() {
      begunAt = performance.now();
      if (input.isServer) run.overdueAt = Infinity;
    },
    extend(ms: number) {
      if (over) return;
      allowedMs += ms;
      run.overdueAt += ms;
      send(encodeExtend(index, ms));
    },
    receive(bytes: Uint8Array, isGiven = false) {
      report.noteStdout(bytes.length);
      output.receive(bytes, isGiven);
    },
    keepStderr: report.keepStderr,
    allowStdin(credit: number) {
      report.noteStdin(credit);
      stdin.allow(credit);
    },
    noteWaited(ms: number) {
      begunAt += ms;
      run.overdueAt += ms;
    },
    noteEgress: (event: EgressEvent) => egress?.note(event),
    fail,
    exit(exit: Exit) {
      if (exit.cause === "start") return fail(startFailure(exit));
      const limit = exit.cause === "none" ? null : exit.cause;
      end(limit && limitError(limit, { ...input.limits, timeoutMs: allowedMs }));
      report.exit(exit, limit);
    },
    collapse(why: KhachapuriError) {
      end(collapseError());
      report.collapse(why);
    },
  };
  return run;
}

/**
 * The first run of a sandbox also waits for it to start. A server has all the time that it wants
 * once its sandbox has started.
 */
function msUntilOverdue({ isServer, limits }: RunInput): number {
  return SANDBOX_START_MS_MAX + (isServer ? 0 : limits.timeoutMs + KILL_GRACE_MS);
}

/** Gathers what is known of a run, and tells it as its record. */
function createReport(input: RunInput, egress: EgressTally | null) {
  const startedAt = performance.now();
  const { promise: record, resolve, reject: fail } = Promise.withResolvers<RunRecord>();
  record.catch(() => {}); // A failure that nobody waits for must not end the provider.
  const stderr = createStderr(input.onStderr);
  const seen = { stdinBytes: 0, stdoutBytes: 0, stderrBytes: 0 };
  const tell = (outcome: Outcome, limit: RunLimit | null) => {
    const wallMs = performance.now() - startedAt;
    const egressRecord = egress?.record() ?? null;
    resolve({ ...outcome, limit, wallMs, egress: egressRecord, stderr: stderr.all() });
  };
  return {
    startedAt,
    record,
    fail,
    noteStdin: (credit: number) => void (seen.stdinBytes += credit === STDIN_CLOSED ? 0 : credit),
    noteStdout: (bytes: number) => void (seen.stdoutBytes += bytes),
    keepStderr(bytes: Uint8Array) {
      seen.stderrBytes += bytes.length;
      stderr.keep(bytes);
    },
    exit(exit: Exit, limit: RunLimit | null) {
      if (exit.startErrno !== 0) stderr.keep(execFailure(String(input.argv[0]), exit.startErrno));
      tell(outcomeOf(exit), limit);
    },
    collapse({ shortMessage }: KhachapuriError) {
      stderr.keep(new TextEncoder().encode(`${shortMessage}\n`));
      tell({ ...KILLED_UNMEASURED, ...seen }, null);
    },
  };
}

/** Keeps what comes of stderr, and tells it on. */
function createStderr(tell: RunInput["onStderr"]) {
  const kept: Uint8Array[] = [];
  return {
    keep(bytes: Uint8Array) {
      kept.push(bytes.slice());
      tell?.(bytes);
    },
    all: () => concat(kept),
  };
}

type Outcome = Omit<RunRecord, "limit" | "wallMs" | "egress" | "stderr">;

function outcomeOf(exit: Exit): Outcome {
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

/** Of a run that nobody is left to report on: the kernel kills all that is in a sandbox. */
const KILLED_UNMEASURED = {
  exit: null,
  signal: "SIGKILL",
  listeningPort: null,
  cpuMs: null,
  peakMemoryBytes: null,
};

function collapseError(): KhachapuriError {
  return new KhachapuriError("program_failed", "the program's sandbox was brought down", {
    hints: ["nothing but the deployment's own programs runs in it: so this is charged"],
  });
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
export function limitError(limit: RunLimit, limits: RunLimits): KhachapuriError {
  const data = { limit };
  if (limit === "timeout") {
    const text = `the program ran longer than ${Math.round(limits.timeoutMs)} ms`;
    return new KhachapuriError("program_timeout", text, { data });
  }
  const texts = {
    memory: `the program used more than ${limits.memoryMb} MiB of memory`,
    stdout: `the program printed more than ${limits.stdoutBytes} bytes`,
    aborted: "the run was ended before the program finished",
    escaped: "the program worked while it was to stand still",
  };
  return new KhachapuriError("program_limit", texts[limit], { data });
}

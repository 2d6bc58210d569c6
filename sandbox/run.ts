/** One run: starts the command, moves its bytes, enforces the clock and the caps, kills it whole. */
import { type ChildProcess, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { once } from "node:events";
import { KhachapuriError } from "../lib/errors.ts";
import type { LauncherCommand } from "./launch.ts";
import type { Run, RunRecord, SandboxPolicy } from "./sandbox.ts";

/** What ended a run before its time. */
export type RunLimit = "timeout" | "memory" | "stdout" | "aborted";

export interface RunInput {
  stdin: ReadableStream<Uint8Array> | null;
  signal: AbortSignal;
}

interface RunState {
  child: ChildProcess;
  limit: RunLimit | null;
  stdinBytes: number;
  stdoutBytes: number;
  stderrBytes: number;
  stderr: Uint8Array[];
}

/** Starts `command` and returns at once; its end is told by the record. */
export function startRun(
  command: LauncherCommand,
  limits: SandboxPolicy["limits"],
  input: RunInput,
): Run {
  const startedAt = performance.now();
  const child = spawn(command.argv[0]!, command.argv.slice(1), {
    env: {},
    stdio: ["pipe", "pipe", "pipe", "pipe"],
  });
  const state: RunState = {
    child,
    limit: null,
    stdinBytes: 0,
    stdoutBytes: 0,
    stderrBytes: 0,
    stderr: [],
  };
  const end = (limit: RunLimit) => {
    if (state.limit !== null || child.exitCode !== null || child.signalCode !== null) return;
    state.limit = limit;
    void killWhole(child);
  };
  const timer = setTimeout(() => end("timeout"), limits.timeoutMs);
  const onAbort = () => end("aborted");
  input.signal.addEventListener("abort", onAbort);
  if (input.signal.aborted) onAbort();
  const { promise: exited, resolve } = Promise.withResolvers<[number | null, string | null]>();
  child.on("exit", (code, signal) => resolve([code, signal]));
  child.on("error", () => resolve([127, null]));
  sendQuietly(child.stdio[3] as Writable, command.fd3);
  const stdinDone = feed(child.stdin!, input.stdin, state);
  const stderrDone = keepStderr(child.stderr!, limits.stderrBytes, state);
  const stdout = countedStdout(state, limits, exited, end);
  const record = exited.then(async ([code, signal]): Promise<RunRecord> => {
    clearTimeout(timer);
    input.signal.removeEventListener("abort", onAbort);
    child.stdin!.destroy();
    await Promise.all([stdinDone, stderrDone]);
    return { ...outcome(state, code, signal), wallMs: performance.now() - startedAt };
  });
  return { stdout, record };
}

/**
 * Kills everything the run started. A plain SIGKILL in bwrap's first milliseconds would leave the
 * sandbox alive, so the launcher is stopped first, then its child (pid 1 inside), then itself.
 */
async function killWhole(child: ChildProcess): Promise<void> {
  const pid = String(child.pid);
  child.kill("SIGSTOP");
  await execute("/usr/bin/pkill", ["-KILL", "-P", pid]);
  // A second child.kill() would do nothing; the pid is ours until it is reaped.
  await execute("/usr/bin/kill", ["-KILL", pid]);
}

async function execute(path: string, args: string[]): Promise<void> {
  await new Deno.Command(path, { args, clearEnv: true, stdin: "null" }).output();
}

/** bwrap answers 128+n for a program that signal n killed, as a shell does. */
function outcome(
  state: RunState,
  code: number | null,
  signal: string | null,
): Omit<RunRecord, "wallMs"> {
  const byProgram = code !== null && code > 128 && code <= 128 + 64
    ? SIGNALS[code - 128] ?? `SIG${code - 128}`
    : null;
  const killedBy = state.limit === null ? signal ?? byProgram : "SIGKILL";
  return {
    exit: killedBy === null ? code : null,
    signal: killedBy,
    limit: state.limit,
    cpuMs: null,
    peakMemoryBytes: null,
    stdinBytes: state.stdinBytes,
    stdoutBytes: state.stdoutBytes,
    stderrBytes: state.stderrBytes,
    stderr: concat(state.stderr),
  };
}

/** Linux signal numbers on x86-64 and arm64. */
const SIGNALS: Record<number, string> = {
  1: "SIGHUP",
  2: "SIGINT",
  3: "SIGQUIT",
  4: "SIGILL",
  5: "SIGTRAP",
  6: "SIGABRT",
  7: "SIGBUS",
  8: "SIGFPE",
  9: "SIGKILL",
  11: "SIGSEGV",
  13: "SIGPIPE",
  14: "SIGALRM",
  15: "SIGTERM",
  24: "SIGXCPU",
  25: "SIGXFSZ",
  31: "SIGSYS",
};

/** Writes and closes; a program that does not read (EPIPE) is no failure. */
function sendQuietly(target: Writable, text: string): void {
  target.on("error", () => {});
  target.end(text);
}

async function feed(
  target: Writable,
  source: ReadableStream<Uint8Array> | null,
  state: RunState,
): Promise<void> {
  target.on("error", () => {});
  if (source === null) return void target.end();
  const reader = source.getReader();
  const gone = new Promise<null>((resolve) => target.on("close", () => resolve(null)));
  try {
    while (true) {
      const next = await Promise.race([reader.read(), gone]);
      if (next === null || next.done) break;
      state.stdinBytes += next.value.length;
      if (!target.write(next.value)) await Promise.race([once(target, "drain"), gone]);
    }
  } catch {
    // The caller's upload broke or the program closed its stdin: the program reads end of file.
  } finally {
    reader.cancel().catch(() => {});
    target.end();
  }
}

async function keepStderr(source: Readable, bytesMax: number, state: RunState): Promise<void> {
  try {
    for await (const chunk of source as AsyncIterable<Uint8Array>) {
      const room = Math.max(0, bytesMax - state.stderrBytes);
      if (room > 0) state.stderr.push(new Uint8Array(chunk.subarray(0, room)));
      state.stderrBytes += chunk.length;
    }
  } catch {
    // The pipe died with the run; what came before is kept.
  }
}

function countedStdout(
  state: RunState,
  limits: SandboxPolicy["limits"],
  exited: Promise<unknown>,
  end: (limit: RunLimit) => void,
): ReadableStream<Uint8Array> {
  const chunks = (state.child.stdout as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      while (true) {
        const next = await chunks.next().catch(() => ({ done: true as const, value: undefined }));
        if (next.done) break;
        const room = limits.stdoutBytes - state.stdoutBytes;
        state.stdoutBytes += next.value.length;
        if (next.value.length > room) end("stdout");
        if (room > 0) return controller.enqueue(new Uint8Array(next.value.subarray(0, room)));
      }
      await exited;
      if (state.limit === null) controller.close();
      else controller.error(limitError(state.limit, limits));
    },
    cancel() {
      end("aborted");
    },
  }, { highWaterMark: 0 });
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

function concat(parts: Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

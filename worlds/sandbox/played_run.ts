/** A run whose program is the test: the provider's real side of it, with no process behind. */
import { concat } from "../../sandbox/bytes.ts";
import { type Cause, createDecoder, type Exit, FRAME, type Frame } from "../../sandbox/protocol.ts";
import { createRun } from "../../sandbox/run.ts";
import type { Run, RunLimit, RunRequest } from "../../sandbox/sandbox.ts";
import type { KhachapuriError } from "../../lib/errors.ts";

export interface PlayedRun {
  /** What the provider has of it. */
  readonly live: Run;
  readonly request: RunRequest;
  /** All that came in on stdin, once its end has come. */
  readonly stdin: Promise<Uint8Array>;
  /** Resolves when the provider has ended the run: it is over by then. */
  readonly killed: Promise<void>;
  /** What the program still does when it is being ended. */
  lastAct: () => void;
  print(what: string | Uint8Array): void;
  /** On stderr. */
  complain(text: string): void;
  exit(code?: number): void;
  /** Ended by a signal of its own doing. */
  crash(signal: number): void;
  /** Its caller took or sent nothing for so long. */
  wait(ms: number): void;
  /** Ended by a limit. */
  meet(limit: RunLimit): void;
  /** Our side failed. */
  fail(error: KhachapuriError): void;
  /** It, or another program of its deployment, has ended the sandbox. */
  collapse(why: KhachapuriError): void;
}

export const LIMITS = {
  timeoutMs: 1_000,
  memoryMb: 64,
  stdoutBytes: 1 << 24,
  stderrBytes: 1 << 16,
};
const SIGKILL = 9;

/** Begins one; its program reads all of its stdin at once. */
export function playRun(request: RunRequest): PlayedRun {
  const stdin = Promise.withResolvers<Uint8Array>();
  const killed = Promise.withResolvers<void>();
  const input: Uint8Array[] = [];
  const bytes = { stdin: 0, stdout: 0, stderr: 0 };
  const decode = createDecoder();
  const live = createRun(
    0,
    { argv: request.argv, env: [], stdin: request.stdin, limits: LIMITS },
    (frames) => decode(frames).forEach(take),
  );

  function take({ type, payload }: Frame): void {
    if (type === FRAME.stdin) {
      input.push(payload.slice());
      bytes.stdin += payload.length;
      // Not within the sending, which counts its window down once it has sent.
      queueMicrotask(() => live.allowStdin(payload.length));
    } else if (type === FRAME.stdinEnd) {
      stdin.resolve(concat(input));
    } else if (type === FRAME.kill) {
      played.lastAct();
      end(SIGKILL, "aborted");
      killed.resolve();
    }
  }

  function end(status: number, cause: Cause): void {
    const exit: Exit = {
      status,
      startErrno: 0,
      startStep: "none",
      cause,
      listeningPort: null,
      cpuMs: 1,
      peakBytes: 4_096,
      stdinBytes: bytes.stdin,
      stdoutBytes: bytes.stdout,
      stderrBytes: bytes.stderr,
    };
    live.exit(exit);
  }

  const bytesOf = (what: string | Uint8Array) =>
    typeof what === "string" ? new TextEncoder().encode(what) : what;
  const played: PlayedRun = {
    live,
    request,
    stdin: stdin.promise,
    killed: killed.promise,
    lastAct() {},
    print(what) {
      const chunk = bytesOf(what);
      bytes.stdout += chunk.length;
      live.receive(chunk);
    },
    complain(text) {
      const chunk = bytesOf(text);
      bytes.stderr += chunk.length;
      live.keepStderr(chunk);
    },
    exit: (code = 0) => end(code << 8, "none"),
    crash: (signal) => end(signal, "none"),
    wait: (ms) => live.noteWaited(ms),
    meet: (limit) => end(SIGKILL, limit),
    fail: (error) => live.fail(error),
    collapse: (why) => live.collapse(why),
  };
  return played;
}

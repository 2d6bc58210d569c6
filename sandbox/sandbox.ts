/**
 * One deployment's sandbox and the runs in it. Programs are hostile: they see their own folder
 * (read-only), a private /tmp, the system's read-only libraries and the environment given here;
 * no network, no other process, no file of the provider.
 */
import { KhachapuriError } from "../lib/errors.ts";
import { launcherCommand } from "./launch.ts";
import { type RunLimit, startRun } from "./run.ts";

/** How this machine starts sandboxes. */
export interface SandboxHost {
  launcher: "bwrap" | "nsjail";
  /** Absolute path of the launcher; by default where Debian installs it. */
  launcherPath?: string;
  /** Uid and gid that programs run as; null means that we are unprivileged and they run as us. */
  runUid: number | null;
}

/** What one deployment may see and use. */
export interface SandboxPolicy {
  /** Absolute path of the unpacked program; must be readable by the run uid. */
  programDir: string;
  limits: { timeoutMs: number; memoryMb: number; stdoutBytes: number; stderrBytes: number };
}

export interface RunRequest {
  /** argv[0] is the entrypoint relative to the program folder. */
  argv: readonly string[];
  /** Exactly what the program gets, besides defaults for PATH, HOME and TMPDIR. */
  env: Readonly<Record<string, string>>;
  /** null: the program reads end of file at once. */
  stdin: ReadableStream<Uint8Array> | null;
  /** Aborting kills the run. */
  signal?: AbortSignal;
}

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
   * As written by the program. Errors with `program_timeout` or `program_limit` when a limit ends
   * the run, so that a cut answer is never taken for a whole one.
   */
  stdout: ReadableStream<Uint8Array>;
  /** Resolves when everything the run started is dead; never rejects for a program's faults. */
  record: Promise<RunRecord>;
}

export interface Sandbox {
  /**
   * Starts one run.
   * @throws KhachapuriError `invalid_input` when argv or env cannot be passed to a program,
   * `sandbox_unavailable` when our side fails
   */
  run(request: RunRequest): Promise<Run>;
  /** Kills every run and waits until they are gone. */
  close(): Promise<void>;
}

export type { RunLimit };

/**
 * Opens the sandbox of one deployment.
 * @throws KhachapuriError `sandbox_unavailable` when programs would run as uid 0
 */
export function openSandbox(host: SandboxHost, policy: SandboxPolicy): Promise<Sandbox> {
  assertUnprivileged(host, Deno.uid());
  const live = new Set<Run>();
  const closing = new AbortController();
  return Promise.resolve({
    run(request) {
      assertPassable(request);
      if (closing.signal.aborted) {
        throw new KhachapuriError("sandbox_unavailable", "the sandbox is closed");
      }
      const signal = request.signal
        ? AbortSignal.any([request.signal, closing.signal])
        : closing.signal;
      const run = startRun(launcherCommand(host, policy, request), policy.limits, {
        stdin: request.stdin,
        signal,
      });
      live.add(run);
      run.record.finally(() => live.delete(run));
      return Promise.resolve(run);
    },
    async close() {
      closing.abort();
      await Promise.all([...live].map((run) => run.record));
    },
  });
}

/**
 * Programs never run as uid 0: uid_map would then hand them the global root's rights on sysctls.
 * @throws KhachapuriError `sandbox_unavailable`
 */
export function assertUnprivileged(host: SandboxHost, uid: number | null): void {
  const runsAs = host.runUid ?? uid;
  if (runsAs !== null && runsAs > 0) return;
  throw new KhachapuriError("sandbox_unavailable", "programs must never run as uid 0", {
    hints: ["set provider.sandbox.runUid to an unprivileged uid, or start as an ordinary user"],
  });
}

/** argv and env travel as NUL-terminated strings. */
function assertPassable({ argv, env }: RunRequest): void {
  const entry = argv[0] ?? "";
  const inside = entry !== "" && !entry.startsWith("/") && !entry.split("/").includes("..");
  const names = Object.keys(env);
  const texts = [...argv, ...names, ...Object.values(env)];
  const clean = texts.every((text) => !text.includes("\0")) &&
    names.every((name) => name !== "" && !name.includes("="));
  if (inside && clean) return;
  throw new KhachapuriError("invalid_input", "arguments or environment cannot reach a program");
}

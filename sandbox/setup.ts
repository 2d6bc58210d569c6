/** The set-up of a deployment's sandbox: what its init is told when it starts. */
import {
  RUN_FILE_BYTES_MAX,
  RUN_FILES_MAX,
  RUN_SIGNALS_MAX,
  RUN_TMP_BYTES_MAX,
  SANDBOX_PROCESSES_MAX,
} from "../lib/limits.ts";
import { listenersOf } from "./egress.ts";
import { CONTROLLER, type Setup } from "./protocol.ts";
import type { SandboxPolicy } from "./policy.ts";
import { allowList, encodeProgram } from "./seccomp.ts";

/** Resource numbers of setrlimit(2) on Linux. */
export const RLIMIT = {
  cpu: 0,
  fsize: 1,
  core: 4,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  sigpending: 11,
  msgqueue: 12,
};

/**
 * With a fresh secret for each start of a sandbox.
 * @param controllers what cgroups limit on this machine, bits of `CONTROLLER`
 */
export function sessionSetup({ limits, egress }: SandboxPolicy, controllers: number): Setup {
  const countsMemory = (controllers & CONTROLLER.memory) !== 0;
  const [secret] = crypto.getRandomValues(new BigUint64Array(1));
  return {
    timeoutMs: limits.timeoutMs,
    tmpBytes: RUN_TMP_BYTES_MAX,
    stdoutBytes: limits.stdoutBytes,
    stderrBytes: limits.stderrBytes,
    memoryBytes: limits.memoryMb * 1024 * 1024,
    rlimits: [
      // It cannot be raised once the program runs: so it allows for all that a run may come to.
      [RLIMIT.cpu, Math.ceil(limits.timeoutMs * (limits.credits ?? 1) / 1000) + 1],
      [RLIMIT.fsize, RUN_FILE_BYTES_MAX],
      // 1, not 0: with a piped core_pattern 0 still starts the host's handler as root.
      [RLIMIT.core, 1],
      // Counted over all runs of the sandbox; the pids cgroup is what bounds a single one.
      [RLIMIT.nproc, SANDBOX_PROCESSES_MAX],
      [RLIMIT.nofile, RUN_FILES_MAX],
      [RLIMIT.memlock, 64 * 1024],
      [RLIMIT.sigpending, RUN_SIGNALS_MAX],
      [RLIMIT.msgqueue, 0],
    ],
    listeners: egress ? listenersOf(egress) : 0,
    secret: secret!,
    filter: encodeProgram(allowList({ secret: secret!, countsMemory })),
  };
}

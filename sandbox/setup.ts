/** The set-up of a deployment's sandbox: what its init is told when it starts. */
import {
  RUN_FILE_BYTES_MAX,
  RUN_FILES_MAX,
  RUN_SIGNALS_MAX,
  RUN_TMP_BYTES_MAX,
  SANDBOX_PROCESSES_MAX,
} from "../lib/limits.ts";
import { INSTANCE_FILES_MAX } from "../lib/limits_of_servers.ts";
import { listenersOf } from "./egress.ts";
import type { Listen, SandboxPolicy } from "./policy.ts";
import { CONTROLLER, LISTEN_BY_FD, type Setup } from "./protocol.ts";
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
  const secret = freshSecret();
  return {
    ...commonSetup(limits, egress),
    timeoutMs: limits.timeoutMs,
    stdoutBytes: limits.stdoutBytes,
    stderrBytes: limits.stderrBytes,
    rlimits: [
      // It cannot be raised once the program runs: so it allows for all that a run may come to.
      [RLIMIT.cpu, Math.ceil(limits.timeoutMs * (limits.credits ?? 1) / 1000) + 1],
      [RLIMIT.nofile, RUN_FILES_MAX],
      ...COMMON_RLIMITS,
    ],
    listen: 0,
    secret,
    filter: encodeProgram(allowList({ secret, countsMemory })),
  };
}

/** Of a server, which lives for as long as it is wanted. */
export function instanceSetup(
  { limits, egress }: SandboxPolicy,
  controllers: number,
  listen: Listen,
): Setup {
  const countsMemory = (controllers & CONTROLLER.memory) !== 0;
  const secret = freshSecret();
  return {
    ...commonSetup(limits, egress),
    timeoutMs: 0,
    stdoutBytes: Number.MAX_SAFE_INTEGER,
    stderrBytes: 0,
    rlimits: [[RLIMIT.nofile, INSTANCE_FILES_MAX], ...COMMON_RLIMITS],
    listen: listen.kind === "port" ? listen.port : LISTEN_BY_FD,
    secret,
    filter: encodeProgram(
      allowList({ secret, countsMemory, holdsOurSocket: listen.kind === "fd" }),
    ),
  };
}

const COMMON_RLIMITS: Setup["rlimits"] = [
  [RLIMIT.fsize, RUN_FILE_BYTES_MAX],
  // 1, not 0: with a piped core_pattern 0 still starts the host's handler as root.
  [RLIMIT.core, 1],
  // Counted over all runs of the sandbox; the pids cgroup is what bounds a single one.
  [RLIMIT.nproc, SANDBOX_PROCESSES_MAX],
  [RLIMIT.memlock, 64 * 1024],
  [RLIMIT.sigpending, RUN_SIGNALS_MAX],
  [RLIMIT.msgqueue, 0],
];

function commonSetup(limits: SandboxPolicy["limits"], egress: SandboxPolicy["egress"]) {
  return {
    tmpBytes: RUN_TMP_BYTES_MAX,
    memoryBytes: limits.memoryMb * 1024 * 1024,
    listeners: egress ? listenersOf(egress) : 0,
  };
}

function freshSecret(): bigint {
  const [secret] = crypto.getRandomValues(new BigUint64Array(1));
  return secret!;
}

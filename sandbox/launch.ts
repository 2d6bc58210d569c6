/**
 * The command that starts a deployment's sandbox. Everybody on the machine can read it in /proc,
 * so nothing of a call stands in it.
 */
import { KhachapuriError } from "../lib/errors.ts";
import { RUN_CPU_PERCENT_MAX, RUN_PROCESSES_MAX } from "../lib/limits.ts";
import { encodePolicy } from "./egress.ts";
import { NAMES_FOLDER } from "./etc_tables.ts";
import { INNER_ID, INNER_NAME, type SandboxHost, type SandboxPolicy } from "./policy.ts";

/** The sandbox's init, by descriptor HELPER (init/descriptors.h), not by its path. */
const INIT = ["/proc/self/fd/4", "inside"];

/** With which init makes a network of its own, and has the relay listen on low ports there. */
const NETWORK_CAPABILITIES = ["CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE"];

const DEVICES = ["null", "zero", "full", "urandom"];

/**
 * Links in /dev. Since Linux 5.6 `random` differs from `urandom` only before a machine has booted.
 * Shared memory lies in the run's /tmp, as each further mount makes every run longer (`deno task
 * bench sandbox`, row "khachapuri, whole request").
 */
const DEVICE_LINKS = [
  { name: "random", target: "urandom" },
  { name: "shm", target: "/tmp" },
  { name: "fd", target: "/proc/self/fd" },
  { name: "stdin", target: "/proc/self/fd/0" },
  { name: "stdout", target: "/proc/self/fd/1" },
  { name: "stderr", target: "/proc/self/fd/2" },
];

/** The folders below /var and /run are those that programs of every user write to. */
const SYSTEM_LINKS = [
  { path: "/bin", target: "usr/bin" },
  { path: "/sbin", target: "usr/sbin" },
  { path: "/lib", target: "usr/lib" },
  { path: "/lib64", target: "usr/lib64" },
  { path: "/var/tmp", target: "/tmp" },
  { path: "/var/lib/php/sessions", target: "/tmp" },
  { path: "/run/lock", target: "/tmp" },
  { path: "/var/run", target: "/run" },
];

function linksFor({ egress }: Shown) {
  const target = `/etc/names/${egress ? "relay" : "none"}`;
  return [...SYSTEM_LINKS, { path: NAMES_FOLDER, target }];
}

/**
 * Arguments of the helper's `host` command, whose launcher starts the sandbox's init.
 * @param runUid the uid that programs run as; null: ours
 * @param socketDir of a server: the folder of its socket
 * @throws KhachapuriError `sandbox_unavailable` when the launcher cannot mount a path
 */
export function hostArguments(
  host: SandboxHost,
  policy: SandboxPolicy,
  runUid: number | null,
  socketDir: string | null = null,
): string[] {
  const memoryBytes = String(memoryBytesOf(policy));
  const policyBytes = String(policyBytesOf(policy));
  return commandOf(host, policy, { runUid, memoryBytes, policyBytes, socketDir });
}

/** What is known of a sandbox before it is known whose it will be. */
export interface SparePolicy {
  /** Absolute path of the folder that all programs lie in: shown as the program is by others. */
  readonly programs: string;
  /** Whether programs are to have a way out. */
  readonly callsOut: boolean;
}

/**
 * As `hostArguments`, of one that is started ahead of need: an ORDER says the rest.
 * @throws KhachapuriError `sandbox_unavailable` when the launcher cannot mount a path
 */
export function spareArguments(
  host: SandboxHost,
  { programs, callsOut }: SparePolicy,
  runUid: number | null,
): string[] {
  const policy = { programDir: programs, egress: callsOut ? {} : null };
  const policyBytes = callsOut ? "1" : "0";
  return commandOf(host, policy, { runUid, memoryBytes: "-", policyBytes, socketDir: null });
}

/** Of one run. */
export function memoryBytesOf({ limits }: Pick<SandboxPolicy, "limits">): number {
  return limits.memoryMb * 1024 * 1024;
}

/** What the helper reads before the first frame. */
export function policyBytesOf({ egress }: Pick<SandboxPolicy, "egress">): number {
  return egress ? encodePolicy(egress).length : 0;
}

/** What stands in the launcher's command of a policy. */
type Shown = Pick<SandboxPolicy, "programDir"> & Partial<Record<keyof SandboxPolicy, unknown>>;

interface HelperWords {
  readonly runUid: number | null;
  readonly memoryBytes: string;
  readonly policyBytes: string;
  readonly socketDir: string | null;
}

function commandOf(
  host: SandboxHost,
  policy: Shown,
  { runUid, memoryBytes, policyBytes, socketDir }: HelperWords,
): string[] {
  const launcher = host.launcher === "bwrap"
    ? [host.launcherPath ?? "/usr/bin/bwrap", ...bwrapArguments(policy, host.etc)]
    : [
      host.launcherPath ?? "/usr/bin/nsjail",
      ...nsjailArguments(policy, host.etc, socketDir !== null),
    ];
  return [
    "host",
    runUid === null ? "-" : String(runUid),
    memoryBytes,
    String(RUN_PROCESSES_MAX),
    String(RUN_CPU_PERCENT_MAX),
    policyBytes,
    socketDir ?? "-",
    ...launcher,
    "--",
    ...INIT,
  ];
}

/**
 * For bubblewrap >= 0.8. Each namespace is named, as --unshare-all goes on without those that the
 * kernel refuses. The capabilities are init's, inside its own user namespace: it starts runs in
 * namespaces that are fresh or made fresh, for which a keeper keeps one of them (init/keeping.c)
 * and a program none, and reaches into those that call setsid, of which some keep debuggers out
 * (init/sessions.h). --die-with-parent is not used: it would kill a bwrap that is still starting,
 * which strands the sandbox it has begun. Init exits by itself when its supervisor is gone.
 */
export function bwrapArguments(policy: Shown, etc?: string): string[] {
  const etcMounts = etc === undefined ? [] : [["--ro-bind", etc, "/etc"]];
  const options = [
    ["--unshare-user"],
    ["--unshare-ipc"],
    ["--unshare-pid"],
    ["--unshare-net"],
    ["--unshare-uts"],
    ["--disable-userns"],
    ["--assert-userns-disabled"],
    ["--new-session"],
    ["--as-pid-1"],
    ["--cap-drop", "ALL"],
    ["--cap-add", "CAP_SYS_ADMIN"],
    ["--cap-add", "CAP_SETPCAP"],
    ["--cap-add", "CAP_SYS_PTRACE"],
    ...(policy.egress ? NETWORK_CAPABILITIES.map((name) => ["--cap-add", name]) : []),
    ["--uid", INNER_ID],
    ["--gid", INNER_ID],
    ["--hostname", INNER_NAME],
    ["--clearenv"],
    ["--proc", "/proc"],
    ["--remount-ro", "/proc"],
    ["--perms", "0755", "--dir", "/dev"],
    ...DEVICES.map((name) => ["--dev-bind", `/dev/${name}`, `/dev/${name}`]),
    ...DEVICE_LINKS.map(({ name, target }) => ["--symlink", target, `/dev/${name}`]),
    ["--dir", "/tmp"],
    ["--ro-bind", policy.programDir, "/app"],
    ["--ro-bind", "/usr", "/usr"],
    ...linksFor(policy).map(({ path, target }) => ["--symlink", target, path]),
    ...etcMounts,
    ["--chdir", "/app"],
    ["--remount-ro", "/"],
  ];
  return options.flat();
}

/**
 * For nsjail >= 3.4: the same view and the same init. Some options only turn off what nsjail does
 * by default: ending after ten minutes, nice 19, closing descriptors, rlimits of its own, keeping
 * no capability. It cannot forbid nested user namespaces as bwrap does: only the seccomp
 * filter refuses them.
 * @param isServer whether it has a socket at which it is called
 * @throws KhachapuriError `sandbox_unavailable` when a path holds a colon, which ends it for nsjail
 */
export function nsjailArguments(policy: Shown, etc?: string, isServer = false): string[] {
  if ([policy.programDir, etc].some((path) => path?.includes(":"))) {
    throw new KhachapuriError("sandbox_unavailable", "nsjail cannot mount a path with a colon", {
      hints: ["use bwrap, or another state directory"],
    });
  }
  const etcMounts = etc === undefined ? [] : [`${etc}:/etc`];
  const options = [
    ["--mode", "o"],
    ["--quiet"],
    ["--hostname", INNER_NAME],
    ["--time_limit", "0"],
    ["--nice_level", "0"],
    ["--disable_rlimits"],
    ["--disable_clone_newcgroup"],
    ["--pass_fd", "3"],
    ["--pass_fd", "4"],
    ...(policy.egress
      ? [["--pass_fd", "5"], ...NETWORK_CAPABILITIES.map((name) => ["--cap", name])]
      : []),
    ...(isServer ? [["--pass_fd", "6"]] : []),
    ["--cap", "CAP_SYS_ADMIN"],
    ["--cap", "CAP_SETPCAP"],
    ["--cap", "CAP_SYS_PTRACE"],
    ["--user", INNER_ID],
    ["--group", INNER_ID],
    ["--cwd", "/app"],
    ["--bindmount_ro", `${policy.programDir}:/app`],
    ["--bindmount_ro", "/usr"],
    ...etcMounts.map((path) => ["--bindmount_ro", path]),
    ...DEVICES.map((name) => ["--bindmount", `/dev/${name}`]),
    ...DEVICE_LINKS.map(({ name, target }) => ["--symlink", `${target}:/dev/${name}`]),
    ["--tmpfsmount", "/tmp"],
    ...linksFor(policy).map(({ path, target }) => ["--symlink", `${target}:${path}`]),
  ];
  return options.flat();
}

/** The commands that start a deployment's sandbox; everything in them may be seen in /proc. */
import { KhachapuriError } from "../lib/errors.ts";
import { RUN_CPU_PERCENT_MAX, RUN_PROCESSES_MAX } from "../lib/limits.ts";
import { ETC_PATHS } from "./etc.ts";
import type { SandboxHost, SandboxPolicy } from "./policy.ts";

/** Uid and gid that a program sees as its own. */
const INNER_ID = "65534";

/** The init, by a descriptor the supervisor opened: the run uid may not reach its path. */
const INIT = ["/proc/self/fd/4", "inside"];

const DEVICES = ["null", "zero", "full", "urandom"];
const SYSTEM_LINKS = [["usr/bin", "/bin"], ["usr/lib", "/lib"], ["usr/lib64", "/lib64"]] as const;
/**
 * Since Linux 5.6 `random` differs from `urandom` only before a machine has booted. Shared memory
 * is in the run's /tmp: a file system of its own would be a tenth of the run.
 */
const DEVICE_LINKS = [
  ...[["random", "urandom"], ["shm", "/tmp"], ["fd", "/proc/self/fd"]],
  ...["stdin", "stdout", "stderr"].map((name, fd) => [name, `/proc/self/fd/${fd}`]),
] as const;

/** Arguments of the helper's `host` command, whose launcher starts the sandbox's init. */
export function hostArguments(
  host: SandboxHost,
  policy: SandboxPolicy,
  runUid: number | null,
): string[] {
  const launcher = host.launcher === "bwrap"
    ? [host.launcherPath ?? "/usr/bin/bwrap", ...bwrapArguments(policy, host.etc)]
    : [host.launcherPath ?? "/usr/bin/nsjail", ...nsjailArguments(policy, host.etc)];
  const memoryBytes = policy.limits.memoryMb * 1024 * 1024;
  return [
    "host",
    runUid === null ? "-" : String(runUid),
    ...[memoryBytes, RUN_PROCESSES_MAX, RUN_CPU_PERCENT_MAX].map(String),
    ...launcher,
    "--",
    ...INIT,
  ];
}

/**
 * bubblewrap >= 0.8. Explicit --unshare-*, as --unshare-all tolerates failing ones. The two
 * capabilities are for init alone, inside its own user namespace: it starts runs in fresh
 * namespaces and leaves them none. No --die-with-parent: killing bwrap in its first milliseconds
 * would strand a sandbox, so init itself leaves when its supervisor does.
 */
export function bwrapArguments(policy: SandboxPolicy, etc?: string): string[] {
  const kinds = ["user", "ipc", "pid", "net", "uts"];
  return [
    ...kinds.map((kind) => `--unshare-${kind}`),
    ...["--disable-userns", "--assert-userns-disabled", "--new-session", "--as-pid-1"],
    ...["--cap-drop", "ALL", "--cap-add", "CAP_SYS_ADMIN", "--cap-add", "CAP_SETPCAP"],
    ...["--uid", INNER_ID, "--gid", INNER_ID, "--hostname", "sandbox", "--clearenv"],
    ...["--proc", "/proc", "--remount-ro", "/proc"],
    ...["--perms", "0755", "--dir", "/dev"],
    ...DEVICES.flatMap((name) => ["--dev-bind", `/dev/${name}`, `/dev/${name}`]),
    ...DEVICE_LINKS.flatMap(([name, target]) => ["--symlink", target, `/dev/${name}`]),
    ...["--dir", "/tmp"],
    ...["--ro-bind", policy.programDir, "/app", "--ro-bind", "/usr", "/usr"],
    ...SYSTEM_LINKS.flatMap(([target, path]) => ["--symlink", target, path]),
    ...(etc === undefined
      ? ETC_PATHS.flatMap((path) => ["--ro-bind-try", path, path])
      : ["--ro-bind", etc, "/etc"]),
    ...["--chdir", "/app", "--remount-ro", "/"],
  ];
}

/**
 * nsjail >= 3.4: the same view, the same init, which does the rest in the same way. What is said
 * explicitly is what nsjail would do otherwise: stop after ten minutes, run at nice 19, close the
 * descriptors, keep no capability. It has no mount that may fail, so what is missing is left out.
 * Nested user namespaces, which bwrap forbids as well, are for the seccomp filter to refuse.
 * @throws KhachapuriError `sandbox_unavailable` when a path holds a colon, which ends it for nsjail
 */
export function nsjailArguments(policy: SandboxPolicy, etc?: string): string[] {
  if ([policy.programDir, etc].some((path) => path?.includes(":"))) {
    throw new KhachapuriError("sandbox_unavailable", "nsjail cannot mount a path with a colon", {
      hints: ["use bwrap, or another state directory"],
    });
  }
  const own = etc === undefined ? ETC_PATHS.filter(isThere) : [`${etc}:/etc`];
  const readOnly = ["/usr", ...own];
  return [
    ...["--mode", "o", "--quiet", "--hostname", "sandbox", "--time_limit", "0"],
    ...["--nice_level", "0", "--disable_rlimits", "--disable_clone_newcgroup"],
    ...["--pass_fd", "3", "--pass_fd", "4", "--cap", "CAP_SYS_ADMIN", "--cap", "CAP_SETPCAP"],
    ...["--user", INNER_ID, "--group", INNER_ID, "--cwd", "/app"],
    ...["--bindmount_ro", `${policy.programDir}:/app`],
    ...readOnly.flatMap((path) => ["--bindmount_ro", path]),
    ...DEVICES.flatMap((name) => ["--bindmount", `/dev/${name}`]),
    ...DEVICE_LINKS.flatMap(([name, target]) => ["--symlink", `${target}:/dev/${name}`]),
    ...["--tmpfsmount", "/tmp"],
    ...SYSTEM_LINKS.flatMap(([target, path]) => ["--symlink", `${target}:${path}`]),
  ];
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

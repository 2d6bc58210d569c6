/** The command that starts one run: drop the uid, set resource limits, isolate, exec. */
import {
  RUN_FILE_BYTES_MAX,
  RUN_FILES_MAX,
  RUN_SHM_BYTES_MAX,
  RUN_TMP_BYTES_MAX,
} from "../lib/limits.ts";
import type { RunRequest, SandboxHost, SandboxPolicy } from "./sandbox.ts";

/** A program to start, and what it reads from file descriptor 3. */
export interface LauncherCommand {
  /** argv[0] is an absolute path. */
  argv: readonly string[];
  /** Secrets travel here: argv is world-readable in /proc. */
  fd3: string;
}

/** Uid and gid that a program sees as its own. */
const INNER_ID = "65534";

const PROGRAM_ENV = { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: "/tmp", TMPDIR: "/tmp" };

/** Read-only parts of the host's /etc without which interpreters and TLS do not work. */
const ETC_PATHS = ["/etc/ssl/certs", "/etc/ld.so.cache", "/etc/alternatives"];

/** The whole command of one run. */
export function launcherCommand(
  host: SandboxHost,
  policy: SandboxPolicy,
  request: RunRequest,
): LauncherCommand {
  const env = { ...PROGRAM_ENV, ...request.env };
  const program = [`./${request.argv[0]}`, ...request.argv.slice(1)];
  const isolate = host.launcher === "bwrap"
    ? [host.launcherPath ?? "/usr/bin/bwrap", "--args", "3", "--", ...program]
    : [host.launcherPath ?? "/usr/bin/nsjail", ...nsjailArguments(policy), "--", ...program];
  return {
    argv: [...resourceLimits(policy), ...dropPrivileges(host.runUid), ...isolate],
    fd3: host.launcher === "bwrap" ? bwrapArguments(policy, env).join("\0") + "\0" : nsjailEnv(env),
  };
}

/** core=1, not 0: with a piped core_pattern 0 still starts the host's handler as root. */
function resourceLimits(policy: SandboxPolicy): string[] {
  const cpuSeconds = Math.ceil(policy.limits.timeoutMs / 1000) + 1;
  return [
    "/usr/bin/prlimit",
    "--core=1",
    `--cpu=${cpuSeconds}`,
    `--nofile=${RUN_FILES_MAX}`,
    `--fsize=${RUN_FILE_BYTES_MAX}`,
    "--memlock=65536",
    "--msgqueue=0",
  ];
}

function dropPrivileges(runUid: number | null): string[] {
  if (runUid === null) return [];
  const id = String(runUid);
  const none = ["--ambient-caps=-all", "--inh-caps=-all", "--bounding-set=-all"];
  return ["/usr/bin/setpriv", "--reuid", id, "--regid", id, "--clear-groups", ...none];
}

/** bubblewrap >= 0.8; explicit --unshare-*, as --unshare-all tolerates failing ones. */
export function bwrapArguments(
  policy: SandboxPolicy,
  env: Readonly<Record<string, string>>,
): string[] {
  const kinds = ["user", "ipc", "pid", "net", "uts", "cgroup"];
  const devices = ["null", "zero", "full", "random", "urandom"];
  const links = [["fd", ""], ["stdin", "/0"], ["stdout", "/1"], ["stderr", "/2"]] as const;
  const system = [["usr/bin", "/bin"], ["usr/lib", "/lib"], ["usr/lib64", "/lib64"]] as const;
  return [
    ...kinds.map((kind) => `--unshare-${kind}`),
    ...["--disable-userns", "--assert-userns-disabled", "--die-with-parent", "--new-session"],
    ...["--cap-drop", "ALL", "--uid", INNER_ID, "--gid", INNER_ID],
    ...["--hostname", "sandbox", "--clearenv", "--proc", "/proc", "--remount-ro", "/proc"],
    ...["--perms", "0755", "--size", "65536", "--tmpfs", "/dev"],
    ...devices.flatMap((name) => ["--dev-bind", `/dev/${name}`, `/dev/${name}`]),
    ...links.flatMap(([name, fd]) => ["--symlink", `/proc/self/fd${fd}`, `/dev/${name}`]),
    ...["--perms", "1777", "--size", String(RUN_SHM_BYTES_MAX), "--tmpfs", "/dev/shm"],
    ...["--remount-ro", "/dev"],
    ...["--perms", "0700", "--size", String(RUN_TMP_BYTES_MAX), "--tmpfs", "/tmp"],
    ...["--ro-bind", policy.programDir, "/app", "--ro-bind", "/usr", "/usr"],
    ...system.flatMap(([target, path]) => ["--symlink", target, path]),
    ...ETC_PATHS.flatMap((path) => ["--ro-bind-try", path, path]),
    ...["--chdir", "/app", "--remount-ro", "/"],
    ...Object.entries(env).flatMap(([name, value]) => ["--setenv", name, value]),
  ];
}

/** nsjail, with the same view; the environment comes as a configuration over descriptor 3. */
export function nsjailArguments(policy: SandboxPolicy): string[] {
  const readOnly = ["/usr", ...ETC_PATHS].flatMap((path) => ["--bindmount_ro", path]);
  const devices = ["null", "zero", "full", "random", "urandom"];
  const shm = `none:/dev/shm:tmpfs:mode=1777,size=${RUN_SHM_BYTES_MAX}`;
  const tmp = `none:/tmp:tmpfs:mode=0700,size=${RUN_TMP_BYTES_MAX}`;
  return [
    ...["--config", "/proc/self/fd/3", "--mode", "o", "--really_quiet", "--hostname", "sandbox"],
    ...["--user", INNER_ID, "--group", INNER_ID, "--cwd", "/app"],
    ...["--time_limit", String(Math.ceil(policy.limits.timeoutMs / 1000) + 1)],
    ...["--rlimit_as", "inf", "--rlimit_core", "1", "--rlimit_cpu", "inf"],
    ...["--rlimit_fsize", String(Math.floor(RUN_FILE_BYTES_MAX / 2 ** 20))],
    ...["--rlimit_nofile", String(RUN_FILES_MAX), "--rlimit_stack", "8"],
    ...["--bindmount_ro", `${policy.programDir}:/app`, ...readOnly],
    ...devices.flatMap((name) => ["--bindmount", `/dev/${name}`]),
    ...["--mount", shm, "--mount", tmp],
    ...["--symlink", "usr/bin:/bin", "--symlink", "usr/lib:/lib", "--symlink", "usr/lib64:/lib64"],
  ];
}

/** Text protobuf: a quoted string where only ", \ and control bytes need escapes. */
function nsjailEnv(env: Readonly<Record<string, string>>): string {
  const quote = (text: string) =>
    [...new TextEncoder().encode(text)].map((byte) =>
      byte < 0x20 || byte > 0x7e || byte === 0x22 || byte === 0x5c
        ? `\\${byte.toString(8).padStart(3, "0")}`
        : String.fromCharCode(byte)
    ).join("");
  return Object.entries(env).map(([name, value]) => `envar: "${quote(`${name}=${value}`)}"\n`)
    .join("");
}

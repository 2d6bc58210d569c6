/**
 * What the tasks need from the system: Debian packages, installed through apt when we may, and
 * named with the command that installs them when we may not.
 */
import { delimiter, dirname, join } from "node:path";
import { complain, stop } from "./print.ts";
import { runQuietly } from "./quiet.ts";

/** A file or a command that proves it, and the Debian package that brings it. */
export interface Requirement {
  readonly proof: { readonly command: string } | { readonly file: string };
  readonly debianPackage: string;
  readonly why: string;
  /** A file that has to be there as it is installed. */
  readonly before?: { readonly file: string; readonly text: string };
}

/** Builds the sandbox's helper. */
export const COMPILER: readonly Requirement[] = [
  { proof: { command: "gcc" }, debianPackage: "gcc", why: "builds the sandbox's helper" },
  { proof: { command: "musl-gcc" }, debianPackage: "musl-tools", why: "links it statically" },
  { proof: { file: "/usr/include/stdio.h" }, debianPackage: "libc6-dev", why: "C headers" },
  {
    proof: { file: "/usr/include/linux/seccomp.h" },
    debianPackage: "linux-libc-dev",
    why: "kernel headers",
  },
];

/** Builds the helper, and programs of tests, for arm64 on x86-64. */
export const CROSS_COMPILER: readonly Requirement[] = [
  {
    proof: { command: "aarch64-linux-gnu-gcc" },
    debianPackage: "gcc-aarch64-linux-gnu",
    why: "builds for arm64",
  },
  {
    proof: { file: "/usr/aarch64-linux-gnu/include/linux/seccomp.h" },
    debianPackage: "linux-libc-dev-arm64-cross",
    why: "kernel headers for arm64",
  },
];

/** Demo, devnet and tests stop without these. */
export const WORLD: readonly Requirement[] = [
  { proof: { command: "bwrap" }, debianPackage: "bubblewrap", why: "runs programs confined" },
  { proof: { command: "curl" }, debianPackage: "curl", why: "is the client of demo and tests" },
  { proof: { command: "age" }, debianPackage: "age", why: "opens our envelopes in tests" },
];

/** Nobody is stopped for want of these. A package without a command is found in dpkg's records. */
export const WANTED_BY_TESTS: readonly Requirement[] = [
  ...CROSS_COMPILER,
  { proof: { command: "stress-ng" }, debianPackage: "stress-ng", why: "presses on the sandbox" },
  { proof: { command: "openssl" }, debianPackage: "openssl", why: "makes certificates for TLS" },
  {
    proof: { command: "chromium-headless-shell" },
    debianPackage: "chromium-headless-shell",
    why: "is a web page's browser",
  },
  { proof: { command: "dpkg-source" }, debianPackage: "dpkg-dev", why: "unpacks bwrap's tests" },
  {
    proof: { file: "/var/lib/dpkg/info/python3-seccomp:amd64.list" },
    debianPackage: "python3-seccomp",
    why: "is what some of bwrap's tests are written with",
  },
  { proof: { file: "/usr/sbin/nginx" }, debianPackage: "nginx-light", why: "is a proxy of docs" },
  { proof: { file: "/usr/bin/caddy" }, debianPackage: "caddy", why: "is a proxy of docs" },
  { proof: { command: "minisign" }, debianPackage: "minisign", why: "checks our signatures" },
  { proof: { command: "promtool" }, debianPackage: "prometheus", why: "reads our metrics" },
  { proof: { command: "zsh" }, debianPackage: "zsh", why: "completes our commands" },
  { proof: { command: "fish" }, debianPackage: "fish", why: "completes our commands" },
  {
    proof: { file: "/usr/sbin/apparmor_parser" },
    debianPackage: "apparmor",
    why: "reads the profile that up writes",
  },
  {
    proof: { file: "/usr/bin/systemd-analyze" },
    debianPackage: "systemd",
    why: "reads the units that up writes",
  },
  { proof: { command: "groff" }, debianPackage: "groff-base", why: "reads the manual page" },
  { proof: { command: "mandoc" }, debianPackage: "mandoc", why: "reads the manual page" },
  {
    proof: { file: "/usr/sbin/dnsmasq" },
    debianPackage: "dnsmasq-base",
    why: "is a name server of tests",
  },
  { proof: { command: "pebble" }, debianPackage: "pebble", why: "is a CA of tests" },
  { proof: { file: "/usr/sbin/knotd" }, debianPackage: "knot", why: "takes changes of its zone" },
  { proof: { command: "knsupdate" }, debianPackage: "knot-dnsutils", why: "makes such changes" },
  {
    proof: { file: "/var/lib/dpkg/info/postgresql.list" },
    debianPackage: "postgresql",
    why: "is a fleet's database, and is called out of a sandbox",
    // Tests start clusters of their own; one that a package makes would run from then on.
    before: {
      file: "/etc/postgresql-common/createcluster.d/khachapuri.conf",
      text: "# Written by Khachapuri's set-up of tests.\ncreate_main_cluster = false\n",
    },
  },
  { proof: { file: "/usr/sbin/haproxy" }, debianPackage: "haproxy", why: "is before a fleet" },
  { proof: { command: "wget" }, debianPackage: "wget", why: "calls out of a sandbox" },
  { proof: { command: "go" }, debianPackage: "golang-go", why: "builds what calls out of one" },
  { proof: { command: "node" }, debianPackage: "nodejs", why: "serves as samples do" },
  { proof: { command: "npm" }, debianPackage: "npm", why: "installs what samples depend on" },
  { proof: { file: "/usr/bin/gunicorn" }, debianPackage: "gunicorn", why: "serves as samples do" },
  {
    proof: { file: "/var/lib/dpkg/info/python3-flask.list" },
    debianPackage: "python3-flask",
    why: "serves as samples do",
  },
  {
    proof: { file: "/var/lib/dpkg/info/python3-requests.list" },
    debianPackage: "python3-requests",
    why: "calls out of a sandbox",
  },
];

/** Whom `bench sandbox` compares with, and what it loads them with. */
export const PEERS: readonly Requirement[] = [
  { proof: { file: "/usr/sbin/nginx" }, debianPackage: "nginx-light", why: "is compared with" },
  { proof: { file: "/usr/sbin/fcgiwrap" }, debianPackage: "fcgiwrap", why: "is compared with" },
  { proof: { file: "/usr/sbin/lighttpd" }, debianPackage: "lighttpd", why: "is compared with" },
  { proof: { command: "wrk" }, debianPackage: "wrk", why: "makes the calls" },
];

/** What `bench wire` and others load providers with. */
export const WIRE_LOAD: readonly Requirement[] = [
  { proof: { command: "wrk" }, debianPackage: "wrk", why: "makes the requests" },
  { proof: { command: "curl" }, debianPackage: "curl", why: "moves the bytes" },
];

/** What `test:vm` boots its Debian with. */
export const EMULATOR: readonly Requirement[] = [
  {
    proof: { command: "qemu-system-x86_64" },
    debianPackage: "qemu-system-x86",
    why: "emulates the machine",
  },
  { proof: { command: "mmdebstrap" }, debianPackage: "mmdebstrap", why: "makes its file system" },
  { proof: { file: "/sbin/mke2fs" }, debianPackage: "e2fsprogs", why: "makes its disk" },
  { proof: { command: "go" }, debianPackage: "golang-go", why: "builds a server for it" },
];

/** What `test:vm:install` has around its machine besides. */
export const INSTALLATION: readonly Requirement[] = [
  { proof: { command: "dpkg-deb" }, debianPackage: "dpkg", why: "makes its repository" },
  { proof: { command: "ip" }, debianPackage: "iproute2", why: "makes a network of its own" },
  { proof: { command: "curl" }, debianPackage: "curl", why: "is the client of tests" },
  { proof: { command: "openssl" }, debianPackage: "openssl", why: "makes certificates for TLS" },
  { proof: { command: "pebble" }, debianPackage: "pebble", why: "is a CA of tests" },
  { proof: { file: "/usr/sbin/knotd" }, debianPackage: "knot", why: "is its name server" },
];

/** What `test:arm64` builds and boots its machine with. */
export const ARM64_EMULATOR: readonly Requirement[] = [
  ...CROSS_COMPILER,
  {
    proof: { command: "qemu-system-aarch64" },
    debianPackage: "qemu-system-arm",
    why: "emulates the machine",
  },
  { proof: { command: "mmdebstrap" }, debianPackage: "mmdebstrap", why: "makes its file system" },
  { proof: { file: "/sbin/mke2fs" }, debianPackage: "e2fsprogs", why: "makes its disk" },
  { proof: { command: "npm" }, debianPackage: "npm", why: "fetches its deno" },
];

/**
 * Installs what is missing; stops with exit code 2 and the command to run where it may not.
 * @param task who needs it
 */
export async function requireAll(
  task: string,
  requirements: readonly Requirement[],
): Promise<void> {
  const missing = await missingOf(requirements);
  if (missing.length === 0 || await install(missing)) return;
  stop([
    `${task}: this machine lacks:`,
    ...missing.map(({ debianPackage, why }) => `  ${debianPackage.padEnd(16)} ${why}`),
    "install it and run the task again:",
    `  sudo apt-get update && sudo apt-get ${installArguments(missing).join(" ")}`,
  ]);
}

/** Installs what is missing; where it may not, says what will not run. */
export async function want(requirements: readonly Requirement[]): Promise<void> {
  const missing = await missingOf(requirements);
  if (missing.length === 0 || await install(missing)) return;
  const command = `apt-get ${installArguments(missing).join(" ")}`;
  complain(`setup: some tests will not run without: ${command}`);
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** Whether a command is found on PATH. */
export async function isOnPath(command: string): Promise<boolean> {
  const folders = (Deno.env.get("PATH") ?? "").split(delimiter);
  for (const folder of folders) if (await exists(join(folder, command))) return true;
  return false;
}

/** Those of `requirements` that this machine does not meet. */
export async function missingOf(requirements: readonly Requirement[]): Promise<Requirement[]> {
  const missing: Requirement[] = [];
  for (const requirement of requirements) {
    const { proof } = requirement;
    const isMet = "command" in proof ? await isOnPath(proof.command) : await exists(proof.file);
    if (!isMet) missing.push(requirement);
  }
  return missing;
}

function installArguments(missing: readonly Requirement[]): string[] {
  const names = missing.map((requirement) => requirement.debianPackage);
  return ["install", "-y", "--no-install-recommends", ...names];
}

async function put(file: string, text: string): Promise<void> {
  await Deno.mkdir(dirname(file), { recursive: true });
  await Deno.writeTextFile(file, text);
}

/** Whether apt could install them. */
async function install(missing: readonly Requirement[]): Promise<boolean> {
  if (!(await isOnPath("apt-get")) || Deno.uid() !== 0) return false;
  complain(`setup: installing ${missing.map(({ debianPackage }) => debianPackage).join(", ")}`);
  for (const { before } of missing) if (before) await put(before.file, before.text);
  const args = ["-qq", ...installArguments(missing)];
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const first = await runQuietly("apt-get", args, env);
  if (first.isDone) return true;
  const update = await runQuietly("apt-get", ["-qq", "update"], env);
  const second = update.isDone ? await runQuietly("apt-get", args, env) : update;
  if (!second.isDone) complain(second.said);
  return second.isDone;
}

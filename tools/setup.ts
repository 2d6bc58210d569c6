/**
 * Makes a bare machine ready for the tasks: npm packages into node_modules, and what only a
 * system can bring (bubblewrap, a C compiler, age, curl) through apt when we may. Otherwise it
 * prints the exact command and stops with exit code 2. Doing nothing takes well under a second.
 * With `--tests` it also gets what single tests want; without that they say what they did not run.
 */
import { delimiter, join } from "node:path";
import { buildInit } from "../sandbox/build.ts";
import { asKhachapuriError } from "../lib/errors.ts";
import { complain, stop } from "./print.ts";

/** Something the tasks need from the system: a file that proves it, and the Debian package. */
interface Requirement {
  proof: { command: string } | { file: string };
  debianPackage: string;
  why: string;
}

const REQUIREMENTS: readonly Requirement[] = [
  { proof: { command: "bwrap" }, debianPackage: "bubblewrap", why: "runs programs confined" },
  { proof: { command: "curl" }, debianPackage: "curl", why: "is the client of demo and tests" },
  { proof: { command: "age" }, debianPackage: "age", why: "opens our envelopes in tests" },
  { proof: { command: "gcc" }, debianPackage: "gcc", why: "builds the sandbox's helper" },
  { proof: { command: "musl-gcc" }, debianPackage: "musl-tools", why: "links it statically" },
  { proof: { file: "/usr/include/stdio.h" }, debianPackage: "libc6-dev", why: "C headers" },
  {
    proof: { file: "/usr/include/linux/seccomp.h" },
    debianPackage: "linux-libc-dev",
    why: "kernel headers",
  },
];

/** Nobody is stopped for want of these. A package without a command is found in dpkg's records. */
const WANTED_BY_TESTS: readonly Requirement[] = [
  { proof: { command: "stress-ng" }, debianPackage: "stress-ng", why: "presses on the sandbox" },
  { proof: { command: "openssl" }, debianPackage: "openssl", why: "makes certificates for TLS" },
  { proof: { command: "dpkg-source" }, debianPackage: "dpkg-dev", why: "unpacks bwrap's tests" },
  {
    proof: { file: "/var/lib/dpkg/info/python3-seccomp.list" },
    debianPackage: "python3-seccomp",
    why: "is what some of bwrap's tests are written with",
  },
];

const SUPPORTED_TARGET = "x86_64-unknown-linux-gnu";

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** Whether a command is found on PATH. */
export async function isOnPath(command: string): Promise<boolean> {
  const folders = (Deno.env.get("PATH") ?? "").split(delimiter);
  for (const folder of folders) if (await exists(join(folder, command))) return true;
  return false;
}

async function isMet({ proof }: Requirement): Promise<boolean> {
  return "command" in proof ? await isOnPath(proof.command) : await exists(proof.file);
}

async function run(command: string, args: string[], env: Record<string, string> = {}) {
  const { code } = await new Deno.Command(command, {
    args,
    env,
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  return code === 0;
}

/** The npm packages of deno.lock, and nothing that is not in it. */
async function installNpmPackages(): Promise<void> {
  if (await run(Deno.execPath(), ["install", "--quiet", "--frozen"])) return;
  stop(["setup: `deno install --frozen` failed; is the npm registry reachable?"]);
}

function installArguments(missing: readonly Requirement[]): string[] {
  const names = missing.map((requirement) => requirement.debianPackage);
  return ["install", "-y", "--no-install-recommends", ...names];
}

/** Whether apt could install them. */
async function install(missing: readonly Requirement[]): Promise<boolean> {
  if (!(await isOnPath("apt-get")) || Deno.uid() !== 0) return false;
  const args = ["-qq", ...installArguments(missing)];
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  return await run("apt-get", args, env) ||
    (await run("apt-get", ["-qq", "update"], env) && await run("apt-get", args, env));
}

async function installRequired(missing: readonly Requirement[]): Promise<void> {
  if (missing.length === 0 || await install(missing)) return;
  stop([
    "setup: this machine lacks what the tasks need:",
    ...missing.map(({ debianPackage, why }) => `  ${debianPackage.padEnd(16)} ${why}`),
    "install it and run the task again:",
    `  sudo apt-get update && sudo apt-get ${installArguments(missing).join(" ")}`,
  ]);
}

async function missingOf(requirements: readonly Requirement[]): Promise<Requirement[]> {
  const missing: Requirement[] = [];
  for (const requirement of requirements) {
    if (!(await isMet(requirement))) missing.push(requirement);
  }
  return missing;
}

async function installWanted(missing: readonly Requirement[]): Promise<void> {
  if (missing.length === 0 || await install(missing)) return;
  complain(
    `setup: some tests will not run without: apt-get ${installArguments(missing).join(" ")}`,
  );
}

async function main(): Promise<void> {
  if (Deno.build.target !== SUPPORTED_TARGET) {
    stop([`setup: the tasks need ${SUPPORTED_TARGET}; this is ${Deno.build.target}`]);
  }
  await installNpmPackages();
  await installRequired(await missingOf(REQUIREMENTS));
  if (Deno.args.includes("--tests")) await installWanted(await missingOf(WANTED_BY_TESTS));
  await buildInit().catch((thrown) => {
    const { shortMessage, hints } = asKhachapuriError(thrown);
    stop([`setup: ${shortMessage}`, ...hints]);
  });
}

if (import.meta.main) await main();

/**
 * bubblewrap's own test-suite against the installed bubblewrap, as an ordinary user. The suite is
 * that of the very version, from where this machine's apt got it; nothing of it is kept.
 */
import { join } from "node:path";
import { KhachapuriError } from "../../lib/errors.ts";
import { signalGroup } from "../../worlds/processes.ts";

const BWRAP = "/usr/bin/bwrap";
const SCRIPTS: readonly (readonly [interpreter: string, script: string])[] = [
  ["/bin/bash", "test-run.sh"],
  ["/bin/bash", "test-specifying-userns.sh"],
  ["/bin/bash", "test-specifying-pidns.sh"],
  // Skips itself without Debian's python3-seccomp.
  ["/usr/bin/python3", "test-seccomp.py"],
];
/** No process or file of the machine is its own. */
const TEST_UID = 1_838_000_000;
const NEEDED = { "dpkg-source": "dpkg-dev", gcc: "gcc", "apt-get": "apt" };

const decoder = new TextDecoder();

async function run(command: string, args: string[], cwd?: string) {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args,
    ...(cwd ? { cwd } : {}),
    stdin: "null",
  }).output();
  return { success, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** The packages that are missing to fetch and run the suite. */
async function missingPackages(): Promise<string[]> {
  const missing: string[] = [];
  for (const [command, name] of Object.entries(NEEDED)) {
    if (!(await run("which", [command])).success) missing.push(name);
  }
  return missing;
}

/** One line of a sources list for each of the distribution's own archives that apt knows here. */
async function archives(): Promise<string[]> {
  const format = "$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)";
  const args = ["indextargets", "--format", format, "Created-By: Packages"];
  const { stdout } = await run("apt-get", args);
  const targets = stdout.split("\n").map((line) => line.split("|"));
  return targets.filter(([origin]) => ["Debian", "Ubuntu"].includes(origin!)).map(
    ([origin, uri, release, component]) => {
      const keyring = `/usr/share/keyrings/${origin!.toLowerCase()}-archive-keyring.gpg`;
      return `deb-src [signed-by=${keyring}] ${uri} ${release} ${component}\n`;
    },
  );
}

/** Unpacks the source of exactly `version` below `dir`: its folder, or why there is none. */
async function fetchSource(
  version: string,
  dir: string,
): Promise<{ source: string } | { unavailable: string }> {
  const options = {
    "Dir::Etc::sourcelist": `${dir}/sources.list`,
    "Dir::Etc::sourceparts": "/dev/null",
    "Dir::State::lists": `${dir}/lists`,
    "Dir::Cache": `${dir}/cache`,
    // `dir` is ours alone.
    "APT::Sandbox::User": Deno.uid() === 0 ? "root" : "",
  };
  const args = ["-qq", ...Object.entries(options).flatMap(([key, value]) => [`-o${key}=${value}`])];
  for (const part of ["lists/partial", "cache/archives/partial"]) {
    await Deno.mkdir(join(dir, part), { recursive: true });
  }
  // One after the other: an archive may list a version that it no longer holds.
  let reason = "apt knows no archive here: apt-get update";
  for (const list of await archives()) {
    await Deno.writeTextFile(`${dir}/sources.list`, list);
    const updated = await run("apt-get", [...args, "update"]);
    const got = updated.success
      ? await run("apt-get", [...args, "source", `bubblewrap=${version}`], dir)
      : updated;
    reason = got.stderr;
    if (!got.success) continue;
    for await (const { name, isDirectory } of Deno.readDir(dir)) {
      if (isDirectory && name.startsWith("bubblewrap-")) return { source: join(dir, name) };
    }
  }
  return { unavailable: `no source of bubblewrap ${version}: ${reason.trim()}` };
}

export interface ScriptResult {
  script: string;
  ok: number;
  skipped: number;
  failed: number;
  /** What it printed. */
  output: string;
}

/** Runs one script of the suite, which speaks TAP. */
async function runScript(
  interpreter: string,
  tests: string,
  script: string,
  home: string,
): Promise<ScriptResult> {
  const drop = Deno.uid() === 0
    ? ["setpriv", `--reuid=${TEST_UID}`, `--regid=${TEST_UID}`, "--clear-groups"]
    : [];
  const [command, ...args] = [...drop, interpreter, join(tests, script)];
  const child = new Deno.Command(command!, {
    args,
    cwd: home,
    clearEnv: true,
    env: { PATH: "/usr/bin:/bin:/usr/sbin:/sbin", HOME: home, BWRAP },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    detached: true,
  }).spawn();
  const said = Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  const { success } = await child.status;
  // Its test of --die-with-parent may leave a process that sleeps for an hour on the same output.
  signalGroup(child, "SIGKILL");
  const output = (await said).join("");
  return { script, output, ...countOf(output, success) };
}

/** What a script's TAP amounts to; Python's unittest counts one by one. */
export function countOf(output: string, success: boolean) {
  const count = (pattern: RegExp) => [...output.matchAll(pattern)].length;
  const said = count(/^ok\b/gm);
  const skipped = count(/^ok\b.*# SKIP/gm);
  if (success && /^1\.\.0\b/m.test(output)) return { ok: 0, skipped: 1, failed: 0 };
  const failed = count(/^not ok\b/gm);
  const planned = Number(/^1\.\.(\d+)/m.exec(output)?.[1] ?? NaN);
  const ofPython = Number(/^Ran (\d+) tests? in/m.exec(output)?.[1] ?? 0);
  // A script that stopped half-way has failed, whatever it said before.
  const complete = success && (said >= planned || ofPython > 0);
  return {
    ok: ofPython || said - skipped,
    skipped,
    failed: complete ? failed : Math.max(failed, 1),
  };
}

/**
 * Fetches the suite of the installed version and runs it.
 * @returns what each script said, or why the suite cannot be had on this machine
 */
export async function runUpstreamSuite(): Promise<
  { version: string; results: ScriptResult[] } | { unavailable: string }
> {
  const missing = await missingPackages();
  if (missing.length > 0) return { unavailable: `apt-get install -y ${missing.join(" ")}` };
  const installed = await run("dpkg-query", ["-W", "-f", "${source:Version}", "bubblewrap"]);
  const version = installed.stdout;
  if (!version) return { unavailable: `${BWRAP} is of no Debian package` };
  const dir = await Deno.makeTempDir({ prefix: "bwrap-suite-" });
  try {
    const fetched = await fetchSource(version, dir);
    if ("unavailable" in fetched) return fetched;
    const tests = join(fetched.source, "tests");
    const helper = join(tests, "try-syscall");
    const built = await run("gcc", ["-o", helper, `${helper}.c`]);
    if (!built.success) throw new KhachapuriError("internal", built.stderr);
    const home = join(dir, "home");
    await Deno.mkdir(home);
    if (Deno.uid() === 0) await Deno.chown(home, TEST_UID, TEST_UID);
    await Deno.chmod(dir, 0o755);
    const results: ScriptResult[] = [];
    for (const [interpreter, script] of SCRIPTS) {
      results.push(await runScript(interpreter, tests, script, home));
    }
    return { version, results };
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

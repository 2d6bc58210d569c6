import assert from "node:assert/strict";
import { KhachapuriError } from "../lib/errors.ts";
import { hostArguments } from "./launch.ts";
import { probeSandbox } from "./probe.ts";
import { openSandbox, type RunRecord, type RunRequest, type SandboxHost } from "./sandbox.ts";

const host: SandboxHost = { launcher: "bwrap", runUid: Deno.uid() === 0 ? 1_800_000_000 : null };
const limits = {
  timeoutMs: 5_000,
  memoryMb: 256,
  stdoutBytes: 1024 * 1024,
  stderrBytes: 64 * 1024,
};

/** Runs `script` as a deployed program and returns all it did. */
async function runScript(
  script: string,
  request: Partial<RunRequest> = {},
  over: Partial<typeof limits> = {},
): Promise<{ stdout: string; error: unknown; record: RunRecord }> {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.chmod(dir, 0o755);
    await Deno.writeTextFile(`${dir}/main`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const sandbox = await openSandbox(host, {
      programDir: dir,
      limits: { ...limits, ...over },
    });
    const run = await sandbox.run({ argv: ["./main"], env: {}, stdin: null, ...request });
    let stdout = "";
    let error: unknown = null;
    try {
      for await (const text of run.stdout.pipeThrough(new TextDecoderStream())) stdout += text;
    } catch (thrown) {
      error = thrown;
    }
    const record = await run.record;
    await sandbox.close();
    return { stdout, error, record };
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function streamOf(...parts: string[]): ReadableStream<Uint8Array> {
  return ReadableStream.from(parts.map((part) => new TextEncoder().encode(part)));
}

const assertLimit = (thrown: unknown, code: string, limit: string) => {
  assert(thrown instanceof KhachapuriError);
  assert.deepEqual([thrown.code, thrown.data.limit], [code, limit]);
};

Deno.test("a program gets argv, env and stdin, and its stdout, stderr and exit come back", async () => {
  const { stdout, record } = await runScript(
    `printf '%s|' "$@"; printf '%s|' "$SECRET"; cat; echo oops >&2; exit 7`,
    { argv: ["main", "-X", "a b"], env: { SECRET: "x=1\ny" }, stdin: streamOf("he", "llo") },
  );
  assert.equal(stdout, "-X|a b|x=1\ny|hello");
  assert.equal(new TextDecoder().decode(record.stderr), "oops\n");
  assert.deepEqual([record.exit, record.signal, record.limit], [7, null, null]);
  assert.deepEqual([record.stdinBytes, record.stdoutBytes, record.stderrBytes], [5, 18, 5]);
});

Deno.test("a program has only its env, no network, no host file and no uid 0", async () => {
  Deno.env.set("PROVIDER_SECRET", "leak");
  const { stdout } = await runScript(
    `env | cut -d= -f1 | sort | tr '\\n' ' '; id -u; ls -A /; cat /etc/passwd
    tail -n +3 /proc/net/dev | cut -d: -f1; ls /proc | grep -c '^[0-9]'`,
  );
  Deno.env.delete("PROVIDER_SECRET");
  const [env, root, rest] = [
    stdout.split("\n")[0]!,
    stdout.split("\n").slice(1, 10),
    stdout.split("\n").slice(10),
  ];
  assert.equal(env, "HOME PATH PWD TMPDIR 65534");
  assert.deepEqual(root, "app bin dev etc lib lib64 proc tmp usr".split(" "));
  assert.equal(rest[0]!.trim(), "lo");
  assert(Number(rest[1]) < 8, "only the run's own processes are visible");
});

Deno.test("everything but /tmp is read-only and /tmp is bounded", async () => {
  const { stdout } = await runScript(
    `for d in / /app /dev /proc /usr; do (echo x > $d/x) 2>/dev/null && echo $d; done
    head -c 64m /dev/zero > /tmp/big 2>/dev/null; stat -c %s /tmp/big`,
  );
  assert(Number(stdout) <= 32 * 1024 * 1024, stdout);
});

Deno.test("after the wall clock everything is dead, daemons included", async () => {
  const { stdout, error, record } = await runScript(
    "trap '' TERM; setsid sh -c 'while :; do echo alive; sleep 0.05; done' & sleep 60",
    {},
    { timeoutMs: 400 },
  );
  assert.match(stdout, /^(alive\n)+$/);
  assertLimit(error, "program_timeout", "timeout");
  assert.deepEqual([record.limit, record.signal], ["timeout", "SIGKILL"]);
  assert(record.wallMs < 3_000, String(record.wallMs));
});

Deno.test("a daemon that holds stdout ends with the program", async () => {
  const { stdout, record } = await runScript("sleep 60 & echo done");
  assert.equal(stdout, "done\n");
  assert(record.wallMs < 2_000);
});

Deno.test("output beyond the cap kills the run and the stream fails", async () => {
  const { stdout, error, record } = await runScript("yes", {}, { stdoutBytes: 5_000 });
  assert.equal(stdout.length, 5_000);
  assertLimit(error, "program_limit", "stdout");
  assert.equal(record.limit, "stdout");
});

Deno.test("stderr is kept to its bound and the rest is dropped", async () => {
  const { record } = await runScript("head -c 300000 /dev/zero >&2", {}, { stderrBytes: 1_000 });
  assert.deepEqual([record.exit, record.stderr.length, record.stderrBytes], [0, 1_000, 300_000]);
});

Deno.test("a program that never reads its stdin does not hang the run", async () => {
  const big = ReadableStream.from((function* () {
    for (let i = 0; i < 256; i++) yield new Uint8Array(65_536);
  })());
  const { stdout, record } = await runScript("echo ignored", { stdin: big });
  assert.deepEqual([stdout, record.exit], ["ignored\n", 0]);
});

Deno.test("an abort kills the run at any moment of its life", async () => {
  for (const delayMs of [0, 1, 3, 6, 12, 40]) {
    const abort = new AbortController();
    setTimeout(() => abort.abort(), delayMs);
    const { record } = await runScript("sleep 60", { signal: abort.signal });
    assert.equal(record.limit, "aborted");
    assert(record.wallMs < 3_000, String(record.wallMs));
  }
});

Deno.test("a signal that ends the program is named", async () => {
  const { record } = await runScript("kill -SEGV $$");
  assert.deepEqual([record.exit, record.signal], [null, "SIGSEGV"]);
});

Deno.test("the system's curl and python3 work", async () => {
  const { stdout } = await runScript(
    "curl --version | head -c 5; /usr/bin/python3 -c 'import ssl; print(1+1)'",
  );
  assert.equal(stdout, "curl 2\n");
});

Deno.test("a signal to its own process group meets no other run", async () => {
  const dir = await Deno.makeTempDir();
  await Deno.chmod(dir, 0o755);
  const scripts = { waits: "echo begun; read word; echo $word", kills: "kill -USR1 0; sleep 60" };
  for (const [name, script] of Object.entries(scripts)) {
    await Deno.writeTextFile(`${dir}/${name}`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  const sandbox = await openSandbox(host, { programDir: dir, limits });
  const stdin = new TransformStream<Uint8Array, Uint8Array>();
  const waits = await sandbox.run({ argv: ["waits"], env: {}, stdin: stdin.readable });
  const stdout = waits.stdout.pipeThrough(new TextDecoderStream()).getReader();
  assert.equal((await stdout.read()).value, "begun\n");
  const kills = await sandbox.run({ argv: ["kills"], env: {}, stdin: null });
  assert.equal((await kills.record).signal, "SIGUSR1");
  const writer = stdin.writable.getWriter();
  await writer.write(new TextEncoder().encode("alive\n"));
  assert.equal((await stdout.read()).value, "alive\n");
  await writer.close();
  assert.equal((await waits.record).exit, 0);
  await sandbox.close();
  await Deno.remove(dir, { recursive: true });
});

Deno.test("closing a sandbox ends its runs as our own failure", async () => {
  const sandbox = await openSandbox(host, { programDir: "/usr", limits });
  const run = await sandbox.run({ argv: ["bin/sleep", "60"], env: {}, stdin: null });
  await sandbox.close();
  await assert.rejects(run.record, { code: "sandbox_unavailable" });
  await assert.rejects(new Response(run.stdout).text(), { code: "sandbox_unavailable" });
});

Deno.test("argv and env that cannot reach a program are refused", async () => {
  const sandbox = await openSandbox(host, { programDir: "/usr", limits });
  const bad: Partial<RunRequest>[] = [
    { argv: [] },
    { argv: ["/bin/sh"] },
    { argv: ["../sh"] },
    { argv: ["a", "b\0c"] },
    { env: { "A=B": "c" } },
    { env: { A: "\0" } },
    { env: { "": "x" } },
  ];
  for (const request of bad) {
    await assert.rejects(
      async () => await sandbox.run({ argv: ["x"], env: {}, stdin: null, ...request }),
      { code: "invalid_input" },
    );
  }
});

Deno.test("programs never run as uid 0", async () => {
  const asRoot: SandboxHost = { launcher: "bwrap", runUid: 0 };
  await assert.rejects(async () => await openSandbox(asRoot, { programDir: "/usr", limits }), {
    code: "sandbox_unavailable",
  });
});

Deno.test("the probe says yes here and says what to install where the launcher is missing", async () => {
  assert.equal((await probeSandbox(host)).ok, true);
  const missing = await probeSandbox({ ...host, launcherPath: "/usr/bin/no-such-bwrap" });
  assert(
    !missing.ok && missing.hints.includes("apt-get install bubblewrap"),
    JSON.stringify(missing),
  );
});

Deno.test("nsjail gets the same view: its argument list", () => {
  const policy = { programDir: "/srv/p", limits };
  const args = hostArguments({ launcher: "nsjail", runUid: 1000 }, policy, 1000).join(" ");
  assert.match(args, /^host 1000 268435456 64 100 \/usr\/bin\/nsjail /);
  assert.match(args, /--bindmount_ro \/srv\/p:\/app/);
  assert.match(args, /--user 65534 --group 65534/);
  assert.match(args, /--pass_fd 3 --pass_fd 4/);
  assert.match(args, / -- \/proc\/self\/fd\/4 inside$/);
});

Deno.test("the same run passes under a real nsjail where one is installed", async () => {
  const path = await findOnPath("nsjail");
  if (path === null) { // deno-lint-ignore no-console
    return console.log("    nsjail is not on PATH here: NOT RUN");
  }
  const probe = await probeSandbox({ ...host, launcher: "nsjail", launcherPath: path });
  assert.deepEqual(probe.ok, true);
});

async function findOnPath(name: string): Promise<string | null> {
  for (const dir of (Deno.env.get("PATH") ?? "").split(":")) {
    const info = await Deno.stat(`${dir}/${name}`).catch(() => null);
    if (info?.isFile) return `${dir}/${name}`;
  }
  return null;
}

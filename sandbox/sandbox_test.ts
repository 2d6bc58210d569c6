import assert from "node:assert/strict";
import { KhachapuriError } from "../lib/errors.ts";
import { streamSource } from "../lib/byte_source.ts";
import {
  openSandbox,
  type RunRecord,
  type RunRequest,
  type Sandbox,
  type SandboxHost,
} from "./sandbox.ts";
import { eachLauncher } from "../worlds/sandbox/launchers.ts";
import { eachWay, openByWay, type Way } from "../worlds/sandbox/ways.ts";

const runUid = Deno.uid() === 0 ? 1_800_000_000 : null;
const limits = {
  timeoutMs: 5_000,
  memoryMb: 256,
  stdoutBytes: 1024 * 1024,
  stderrBytes: 64 * 1024,
};

/** Opens a sandbox whose program is `script`, for as long as `use` takes. */
async function withScript<T>(
  launcher: Way,
  script: string,
  over: Partial<typeof limits>,
  use: (sandbox: Sandbox) => Promise<T>,
): Promise<T> {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.chmod(dir, 0o755);
    await Deno.writeTextFile(`${dir}/main`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const policy = { programDir: dir, limits: { ...limits, ...over } };
    const sandbox = await openByWay({ ...launcher, runUid }, policy);
    const result = await use(sandbox);
    await sandbox.close();
    return result;
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Runs `script` as a deployed program and returns all it did. */
async function runScript(
  launcher: Way,
  script: string,
  request: Partial<RunRequest> = {},
  over: Partial<typeof limits> = {},
): Promise<{ stdout: string; error: unknown; record: RunRecord }> {
  return await withScript(launcher, script, over, async (sandbox) => {
    const run = await sandbox.run({ argv: ["./main"], env: {}, stdin: null, ...request });
    let stdout = "";
    let error: unknown = null;
    try {
      for await (const text of run.stdout().pipeThrough(new TextDecoderStream())) stdout += text;
    } catch (thrown) {
      error = thrown;
    }
    return { stdout, error, record: await run.record };
  });
}

function streamOf(...parts: string[]): ReadableStream<Uint8Array> {
  return ReadableStream.from(parts.map((part) => new TextEncoder().encode(part)));
}

const assertLimit = (thrown: unknown, code: string, limit: string) => {
  assert(thrown instanceof KhachapuriError);
  assert.deepEqual([thrown.code, thrown.data.limit], [code, limit]);
};

eachWay(
  "a program gets argv, env and stdin, and its stdout, stderr and exit come back",
  async (launcher) => {
    const { stdout, record } = await runScript(
      launcher,
      `printf '%s|' "$@"; printf '%s|' "$SECRET"; cat; echo oops >&2; exit 7`,
      {
        argv: ["main", "-X", "a b"],
        env: { SECRET: "x=1\ny" },
        stdin: streamSource(streamOf("he", "llo")),
      },
    );
    assert.equal(stdout, "-X|a b|x=1\ny|hello");
    assert.equal(new TextDecoder().decode(record.stderr), "oops\n");
    assert.deepEqual([record.exit, record.signal, record.limit], [7, null, null]);
    assert.deepEqual([record.stdinBytes, record.stdoutBytes, record.stderrBytes], [5, 18, 5]);
  },
);

eachWay(
  "a program has only its env, no network, no host file and no uid 0",
  async (launcher) => {
    Deno.env.set("PROVIDER_SECRET", "leak");
    const { stdout } = await runScript(
      launcher,
      `env | cut -d= -f1 | sort | tr '\\n' ' '; id -u; ls -A /; cat /etc/passwd
    tail -n +3 /proc/net/dev | cut -d: -f1; ls /proc | grep -c '^[0-9]'`,
    );
    Deno.env.delete("PROVIDER_SECRET");
    const [env, root, rest] = [
      stdout.split("\n")[0]!,
      stdout.split("\n").slice(1, 12),
      stdout.split("\n").slice(12),
    ];
    assert.equal(env, "HOME LANG PATH PWD TMPDIR 65534");
    assert.deepEqual(root, "app bin dev lib lib64 proc run sbin tmp usr var".split(" "));
    assert.equal(rest[0]!.trim(), "lo");
    assert(Number(rest[1]) < 8, "only the run's own processes are visible");
  },
);

eachWay("a program starts in its folder, or in that of its entrypoint", async (launcher) => {
  const programDir = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${programDir}/cgi/bin`, { recursive: true });
    const script = '#!/bin/sh\necho "$PWD $0 $*" $(ls)\n';
    for (const path of ["main", "cgi/bin/app"]) {
      await Deno.writeTextFile(`${programDir}/${path}`, script, { mode: 0o755 });
    }
    await Deno.chmod(programDir, 0o755);
    const sandbox = await openByWay({ ...launcher, runUid }, { programDir, limits });
    const says = async (entrypoint: string, isInItsFolder: boolean) => {
      const argv = [entrypoint, "a"];
      const run = await sandbox.run({ argv, env: {}, stdin: null, isInItsFolder });
      return (await new Response(run.stdout()).text()).trim();
    };
    assert.equal(await says("./cgi/bin/app", false), "/app ./cgi/bin/app a cgi main");
    assert.equal(await says("./cgi/bin/app", true), "/app/cgi/bin ./app a app");
    assert.equal(await says("main", true), "/app ./main a cgi main");
    await sandbox.close();
  } finally {
    await Deno.remove(programDir, { recursive: true });
  }
});

eachWay("a program has no capability, a filter and no way to more", async (launcher) => {
  const { stdout } = await runScript(
    launcher,
    `nice; grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status | tr -d '\\t'
    unshare --user true 2>&1; hostname; ls -l /proc/self/fd | grep -c -- '->'`,
  );
  const sets = ["Inh", "Prm", "Eff", "Bnd", "Amb"];
  assert.deepEqual(stdout.trimEnd().split("\n"), [
    // First of all: on a busy machine two that run at a time share one's part of the processor.
    "0", // nice
    ...sets.map((set) => `Cap${set}:${"0".repeat(16)}`),
    "NoNewPrivs:1",
    "Seccomp:2",
    "unshare: unshare failed: Operation not permitted",
    "sandbox", // hostname
    "4", // standard streams, and the folder that ls itself reads
  ]);
});

eachWay(
  "runs of one sandbox see no file, process or memory of one another",
  async (launcher) => {
    const script = `
    [ $1 = first ] && { ipcmk -S 1 >/dev/null; touch /tmp/mine /dev/shm/mine; }
    ls -A /tmp /dev/shm | grep -c mine; ipcs -s | grep -c ^0x
    ps -e -o args= >/tmp/all; grep -c [/]main /tmp/all
    cat`;
    await withScript(launcher, script, {}, async (sandbox) => {
      const hold = new TransformStream<Uint8Array, Uint8Array>();
      const first = await sandbox.run({
        argv: ["main", "first"],
        env: {},
        stdin: streamSource(hold.readable),
      });
      const reader = first.stdout().pipeThrough(new TextDecoderStream()).getReader();
      let seen = "";
      while (seen.split("\n").length < 4) seen += (await reader.read()).value ?? assert.fail(seen);
      assert.equal(seen, "2\n1\n1\n", "its own");
      const second = await sandbox.run({ argv: ["main", "second"], env: {}, stdin: null });
      assert.equal(await new Response(second.stdout()).text(), "0\n0\n1\n", "the other's");
      await second.record;
      await hold.writable.close();
      while (!(await reader.read()).done);
      await first.record;
    });
  },
);

eachWay("everything but /tmp is read-only and /tmp is bounded", async (launcher) => {
  const { stdout } = await runScript(
    launcher,
    `for d in / /app /dev /proc /usr; do (echo x > $d/x) 2>/dev/null && echo $d; done
    head -c 64m /dev/zero > /tmp/big 2>/dev/null; stat -c %s /tmp/big`,
  );
  assert(Number(stdout) <= 32 * 1024 * 1024, stdout);
});

eachWay("after the wall clock everything is dead, daemons included", async (launcher) => {
  const { stdout, error, record } = await runScript(
    launcher,
    "trap '' TERM; setsid sh -c 'while :; do echo alive; sleep 0.05; done' & sleep 60",
    {},
    { timeoutMs: 400 },
  );
  assert.match(stdout, /^(alive\n)+$/);
  assertLimit(error, "program_timeout", "timeout");
  assert.deepEqual([record.limit, record.signal], ["timeout", "SIGKILL"]);
  assert(record.wallMs < 3_000, String(record.wallMs));
});

eachWay("a daemon that holds stdout ends with the program", async (launcher) => {
  const { stdout, record } = await runScript(launcher, "sleep 60 & echo done");
  assert.equal(stdout, "done\n");
  assert(record.wallMs < 2_000);
});

eachWay(
  "what a program leaves behind is dead before its record is there",
  async (launcher) => {
    const nap = `${900_000 + Math.floor(Math.random() * 90_000)}.25`;
    const script = `setsid sleep ${nap} & (sleep ${nap} &) ; sleep ${nap} &`;
    await withScript(launcher, script, {}, async (sandbox) => {
      for (let call = 0; call < 5; call++) {
        const run = await sandbox.run({ argv: ["./main"], env: {}, stdin: null });
        const { exit, cpuMs, peakMemoryBytes } = await run.record;
        const found = await new Deno.Command("pgrep", { args: ["-f", nap] }).output();
        assert.equal(new TextDecoder().decode(found.stdout), "");
        assert.equal(exit, 0);
        assert.ok(cpuMs! > 0 && peakMemoryBytes! > 0);
      }
    });
  },
);

eachWay("output beyond the cap kills the run and the stream fails", async (launcher) => {
  const { stdout, error, record } = await runScript(launcher, "yes", {}, { stdoutBytes: 5_000 });
  assert.equal(stdout.length, 5_000);
  assertLimit(error, "program_limit", "stdout");
  assert.equal(record.limit, "stdout");
});

eachWay("stderr is kept to its bound and the rest is dropped", async (launcher) => {
  const { record } = await runScript(launcher, "head -c 300000 /dev/zero >&2", {}, {
    stderrBytes: 1_000,
  });
  assert.deepEqual([record.exit, record.stderr.length, record.stderrBytes], [0, 1_000, 300_000]);
});

eachWay("a program that never reads its stdin does not hang the run", async (launcher) => {
  const big = ReadableStream.from((function* () {
    for (let i = 0; i < 256; i++) yield new Uint8Array(65_536);
  })());
  const { stdout, record } = await runScript(launcher, "echo ignored", {
    stdin: streamSource(big),
  });
  assert.deepEqual([stdout, record.exit], ["ignored\n", 0]);
});

eachWay("a run can be killed at any moment of its life, and after it", async (launcher) => {
  for (const delayMs of [0, 1, 3, 6, 12, 40]) {
    await withScript(launcher, "sleep 60", {}, async (sandbox) => {
      const run = await sandbox.run({ argv: ["./main"], env: {}, stdin: null });
      setTimeout(run.kill, delayMs);
      const { limit, wallMs } = await run.record;
      assert.equal(limit, "aborted");
      assert(wallMs < 3_000, String(wallMs));
      run.kill();
    });
  }
});

eachWay("a signal that ends the program is named", async (launcher) => {
  const { record } = await runScript(launcher, "kill -SEGV $$");
  assert.deepEqual([record.exit, record.signal], [null, "SIGSEGV"]);
});

eachWay("the system's curl and python3 work", async (launcher) => {
  const { stdout } = await runScript(
    launcher,
    "curl --version | head -c 5; /usr/bin/python3 -c 'import ssl; print(1+1)'",
  );
  assert.equal(stdout, "curl 2\n");
});

eachWay("a signal to its own process group meets no other run", async (launcher) => {
  const dir = await Deno.makeTempDir();
  await Deno.chmod(dir, 0o755);
  const scripts = { waits: "echo begun; read word; echo $word", kills: "kill -USR1 0; sleep 60" };
  for (const [name, script] of Object.entries(scripts)) {
    await Deno.writeTextFile(`${dir}/${name}`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  const sandbox = await openByWay({ ...launcher, runUid }, { programDir: dir, limits });
  const stdin = new TransformStream<Uint8Array, Uint8Array>();
  const waits = await sandbox.run({
    argv: ["waits"],
    env: {},
    stdin: streamSource(stdin.readable),
  });
  const stdout = waits.stdout().pipeThrough(new TextDecoderStream()).getReader();
  assert.equal((await stdout.read()).value, "begun\n");
  const kills = await sandbox.run({ argv: ["kills"], env: {}, stdin: null });
  assert.equal((await kills.record).signal, "SIGUSR1");
  const writer = stdin.writable.getWriter();
  await writer.write(new TextEncoder().encode("alive\n"));
  assert.equal((await stdout.read()).value, "alive\n");
  // It may be gone already, and its stdin with it.
  await writer.close().catch(() => {});
  assert.equal((await waits.record).exit, 0);
  await sandbox.close();
  await Deno.remove(dir, { recursive: true });
});

eachLauncher("closing a sandbox ends its runs as our own failure", async (launcher) => {
  const sandbox = await openSandbox({ ...launcher, runUid }, { programDir: "/usr", limits });
  const run = await sandbox.run({ argv: ["bin/sleep", "60"], env: {}, stdin: null });
  await sandbox.close();
  await assert.rejects(run.record, { code: "sandbox_unavailable" });
  await assert.rejects(new Response(run.stdout()).text(), { code: "sandbox_unavailable" });
});

eachLauncher("argv and env that cannot reach a program are refused", async (launcher) => {
  const sandbox = await openSandbox({ ...launcher, runUid }, { programDir: "/usr", limits });
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

eachWay(
  "a program starts with signals as they are by default, and wakes without preempting",
  async (launcher) => {
    const { stdout } = await runScript(
      launcher,
      'grep -E "^Sig(Ign|Blk)" /proc/self/status; cut -d" " -f41 /proc/self/stat',
    );
    const SCHED_BATCH = 3;
    assert.match(stdout, new RegExp(`^SigBlk:\\s0+\nSigIgn:\\s0+\n${SCHED_BATCH}\n$`));
  },
);

Deno.test("programs never run as uid 0", async () => {
  const asRoot: SandboxHost = { launcher: "bwrap", runUid: 0 };
  await assert.rejects(async () => await openSandbox(asRoot, { programDir: "/usr", limits }), {
    code: "sandbox_unavailable",
  });
});

/** What the relay of a sandbox holds, and what becomes of a sandbox that loses it. */
import assert from "node:assert/strict";
import { openSandbox, type SandboxHost } from "./sandbox.ts";
import type { EgressPolicy } from "./egress.ts";
import { makeEtc } from "./etc.ts";
import { eachLauncher, type Launcher } from "../worlds/sandbox/launchers.ts";
import { findRelay, shell } from "../worlds/sandbox/relays.ts";

const runUid = Deno.uid() === 0 ? 1_840_000_000 : null;
const limits = { timeoutMs: 20_000, memoryMb: 256, stdoutBytes: 1 << 20, stderrBytes: 1 << 16 };

const EGRESS: EgressPolicy = {
  hosts: ["api.test:80"],
  overrides: {},
  connections: 16,
  connectionsPerSecond: 100,
  bytesPerSecond: 1e9,
  connectMs: 5_000,
  idleMs: 60_000,
};

async function inDir(
  launcher: Launcher,
  body: (host: SandboxHost, program: string) => Promise<void>,
) {
  const dir = await Deno.makeTempDir();
  await Deno.chmod(dir, 0o755);
  await Deno.mkdir(`${dir}/program`, { mode: 0o755 });
  await Deno.writeTextFile(`${dir}/program/main`, MAIN, { mode: 0o755 });
  try {
    await body({ ...launcher, runUid, etc: makeEtc(`${dir}/etc`) }, `${dir}/program`);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Says that it runs, and goes on for so many seconds. */
const MAIN = '#!/bin/bash\necho here\nsleep "$1"\necho over\n';

eachLauncher("a relay has no rights, and as few descriptors as it needs", async (launcher) => {
  await inDir(launcher, async (host, programDir) => {
    const sandbox = await openSandbox(host, { programDir, limits, egress: EGRESS });
    try {
      const pid = await findRelay();
      const status = await shell(`cat /proc/${pid}/status`);
      assert.match(status, /^CapEff:\t0+$/m);
      assert.match(status, /^CapPrm:\t0+$/m);
      assert.match(status, /^NoNewPrivs:\t1$/m);
      assert.match(status, /^Seccomp:\t2$/m);
      if (runUid !== null) assert.doesNotMatch(status, /^Uid:.*\b0\b/m);
      // Nobody of its own uid reads its memory: it is no longer that uid's to look at.
      assert.equal((await shell(`stat -c %U /proc/${pid}/mem`)).trim(), "root");
      const files = /^Max open files +(\d+) +(\d+)/m.exec(await shell(`cat /proc/${pid}/limits`));
      assert.deepEqual(files?.slice(1), ["288", "288"]);
      const held = await shell(`ls -l /proc/${pid}/fd | sed -n 's/.* -> //p'`);
      assert.doesNotMatch(held, /\/dev|\/proc|signalfd/);
    } finally {
      await sandbox.close();
    }
  });
});

eachLauncher(
  "a sandbox whose relay dies ends, at its runs' cost, and the next run has another",
  async (launcher) => {
    await inDir(launcher, async (host, programDir) => {
      const policy = { programDir, limits, egress: EGRESS };
      const sandbox = await openSandbox(host, policy);
      const live = await sandbox.run({ argv: ["main", "15"], env: {}, stdin: null });
      const stdout = live.stdout().getReader();
      await stdout.read();
      Deno.kill(await findRelay(), "SIGKILL");
      await assert.rejects(stdout.read(), { code: "program_failed" });
      assert.equal((await live.record).signal, "SIGKILL");
      const run = await sandbox.run({ argv: ["main", "0"], env: {}, stdin: null });
      assert.equal(await new Response(run.stdout()).text(), "here\nover\n");
      await sandbox.close();
    });
  },
);

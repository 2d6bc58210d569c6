/**
 * Nothing outlives its run, its sandbox or its provider, whenever the end comes: also in the first
 * milliseconds, when a launcher that is killed would strand what it has begun.
 */
import assert from "node:assert/strict";
import { hostArguments } from "./launch.ts";
import { helperPath, spawnHelper } from "./native.ts";
import { encodeSetup, encodeStart } from "./protocol.ts";
import { openSandbox, type SandboxHost } from "./sandbox.ts";
import { sessionSetup } from "./setup.ts";
import { eachLauncher, type Launcher } from "../worlds/sandbox/launchers.ts";

const runUid = Deno.uid() === 0 ? 1_820_000_000 : null;
const hostOf = (launcher: Launcher): SandboxHost => ({ ...launcher, runUid });
const HELPER = await helperPath({});
const KILLS = Number(Deno.env.get("KHACHAPURI_KILLS") ?? 40);
/** Starting takes some 10 ms here; the whole of it and the first run's start are covered. */
const SPREAD_MS = 15;

/** A program that ignores every signal and leaves daemons, under a name found nowhere else. */
async function openStubborn(): Promise<{ dir: string; survivors(): Promise<string>; end(): void }> {
  const dir = await Deno.makeTempDir({ prefix: "stubborn-" });
  await Deno.chmod(dir, 0o755);
  const marker = dir.split("/").at(-1)!;
  const endless = `sh -c 'trap "" 1 2 3 13 15; while :; do sleep 9; done' ${marker}`;
  const script = `#!/bin/sh\nsetsid ${endless} &\n${endless}\n`;
  await Deno.writeTextFile(`${dir}/main`, script, { mode: 0o755 });
  return {
    dir,
    async survivors() {
      // Zombies, which wait for a pid 1 of the machine that reaps, hold nothing and do not count.
      const found = await new Deno.Command("pgrep", {
        args: ["-f", "-a", "-r", "R,S,D,T,t", marker],
      }).output();
      return new TextDecoder().decode(found.stdout);
    },
    end: () => Deno.removeSync(dir, { recursive: true }),
  };
}

eachLauncher(
  "the program of these tests lives until it is killed, and is found",
  async (launcher) => {
    const stubborn = await openStubborn();
    const sandbox = await openSandbox(hostOf(launcher), { programDir: stubborn.dir, limits });
    const run = await sandbox.run({ argv: ["main"], env: {}, stdin: null });
    await until(async () => (await stubborn.survivors()).split("\n").length >= 3);
    await sandbox.close();
    await assert.rejects(run.record, { code: "sandbox_unavailable" });
    assert.equal(await stubborn.survivors(), "");
    stubborn.end();
  },
);

const limits = { timeoutMs: 20_000, memoryMb: 64, stdoutBytes: 1e6, stderrBytes: 1e4 };
const moment = (index: number) => (index / KILLS) * SPREAD_MS;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

eachLauncher(
  `killing and closing at ${KILLS} moments of a start leaves nothing`,
  async (launcher) => {
    const stubborn = await openStubborn();
    for (let index = 0; index < KILLS; index++) {
      const sandbox = await openSandbox(hostOf(launcher), { programDir: stubborn.dir, limits });
      const run = await sandbox.run({ argv: ["main"], env: {}, stdin: null });
      await pause(moment(index));
      run.kill();
      if (index % 2 === 0) assert.equal((await run.record).limit, "aborted");
      await sandbox.close();
      assert.equal(await stubborn.survivors(), "");
    }
    stubborn.end();
  },
);

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  eachLauncher(
    `${signal} to the supervisor at ${KILLS} moments leaves nothing`,
    async (launcher) => {
      const stubborn = await openStubborn();
      const policy = { programDir: stubborn.dir, limits };
      const frames = [
        encodeSetup(sessionSetup(policy, 0)),
        encodeStart(0, ["./main"], ["PATH=/bin"], false),
      ];
      for (let index = 0; index < KILLS; index++) {
        const child = spawnHelper(HELPER, hostArguments(hostOf(launcher), policy, runUid));
        const drains = [child.stdout, child.stderr].map((pipe) =>
          pipe.pipeTo(new WritableStream())
        );
        const writer = child.stdin.getWriter();
        for (const frame of frames) writer.write(frame).catch(() => {});
        await pause(moment(index));
        child.kill(signal);
        await child.status;
        await until(async () => await stubborn.survivors() === "");
        await Promise.all([writer.close().catch(() => {}), ...drains]);
      }
      stubborn.end();
    },
  );
}

eachLauncher("SIGKILL to the provider leaves nothing", async (launcher) => {
  const stubborn = await openStubborn();
  for (let index = 0; index < Math.ceil(KILLS / 4); index++) {
    const provider = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-check",
        "--no-prompt",
        "--allow-read",
        "--allow-sys=uid",
        "--allow-write=.cache",
        `--allow-run=${HELPER}`,
        new URL("../worlds/sandbox/doomed_provider.ts", import.meta.url).pathname,
        stubborn.dir,
        JSON.stringify(hostOf(launcher)),
      ],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    const reader = provider.stdout.getReader();
    await reader.read();
    await pause(moment(index * 4));
    provider.kill("SIGKILL");
    await Promise.all([provider.status, reader.cancel()]);
    await until(async () => await stubborn.survivors() === "");
  }
  stubborn.end();
});

/** Polls what has no event: the death of processes that are not ours. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!await condition()) {
    assert(Date.now() < deadline, "something survives");
    await pause(20);
  }
}

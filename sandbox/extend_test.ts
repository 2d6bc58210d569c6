/** Runs that are given more time, in real sandboxes. */
import assert from "node:assert/strict";
import { eachLauncher, type Launcher } from "../worlds/sandbox/launchers.ts";
import { openSandbox, type Run, type RunLimits, type RunRecord } from "./sandbox.ts";

const runUid = Deno.uid() === 0 ? 1_830_000_300 : null;
const LIMITS = { timeoutMs: 400, memoryMb: 64, stdoutBytes: 1e6, stderrBytes: 4_096 };

/** Runs shell scripts one after the other in one sandbox; `then` does with each what it likes. */
async function runScripts(
  launcher: Launcher,
  limits: Partial<RunLimits>,
  scripts: readonly [script: string, then: (run: Run) => unknown][],
): Promise<{ text: string; record: RunRecord }[]> {
  const policy = { programDir: "/usr", limits: { ...LIMITS, ...limits } };
  const sandbox = await openSandbox({ ...launcher, runUid }, policy);
  const ended: { text: string; record: RunRecord }[] = [];
  try {
    for (const [script, then] of scripts) {
      const run = await sandbox.run({ argv: ["bin/sh", "-c", script], env: {}, stdin: null });
      await then(run);
      let text = "";
      try {
        for await (const chunk of run.stdout().pipeThrough(new TextDecoderStream())) text += chunk;
      } catch {
        // It was ended.
      }
      ended.push({ text, record: await run.record });
    }
  } finally {
    await sandbox.close();
  }
  return ended;
}

const nothing = () => {};

eachLauncher(
  "a run that is extended has the time that it was given, and no more",
  async (launcher) => {
    const [alone, extended, twice] = await runScripts(launcher, {}, [
      ["sleep 5", nothing],
      ["sleep 0.7; echo done", (run) => run.extend(10_000)],
      ["sleep 5", (run) => {
        run.extend(200);
        run.extend(200);
      }],
    ]);
    assert.equal(alone!.record.limit, "timeout");
    assert.ok(alone!.record.wallMs < 2_000, `${alone!.record.wallMs}`);
    assert.deepEqual([extended!.record.limit, extended!.text], [null, "done\n"]);
    assert.equal(twice!.record.limit, "timeout");
    assert.ok(twice!.record.wallMs >= 800, `${twice!.record.wallMs}`);
  },
);

eachLauncher("a run that has ended is not extended, nor is the one after it", async (launcher) => {
  const ended: Run[] = [];
  const [, killed, after] = await runScripts(launcher, {}, [
    ["true", (run) => void ended.push(run)],
    ["sleep 5", (run) => {
      run.kill();
      run.extend(10_000);
    }],
    ["sleep 5", () => ended[0]!.extend(10_000)],
  ]);
  assert.equal(killed!.record.limit, "aborted");
  assert.ok(killed!.record.wallMs < 5_000);
  assert.equal(after!.record.limit, "timeout");
  assert.ok(after!.record.wallMs < 5_000);
});

eachLauncher(
  "the processor time of a run allows for all credits that it may take",
  async (launcher) => {
    for (const [credits, seconds] of [[1, 2], [10, 5], [100, 41]] as const) {
      const [told] = await runScripts(launcher, { credits }, [["ulimit -t", nothing]]);
      assert.equal(told!.text, `${seconds}\n`);
    }
  },
);

eachLauncher("a run is looked after for as long as it is extended", async (launcher) => {
  const hold = "sleep 0.5; a=x; while :; do a=$a$a; done";
  const [greedy] = await runScripts(launcher, {}, [[hold, (run) => run.extend(60_000)]]);
  assert.equal(greedy!.record.limit, "memory");
  assert.ok(greedy!.record.wallMs < 20_000, `${greedy!.record.wallMs}`);
});

eachLauncher("a run's time begins when its sandbox is ready", async (launcher) => {
  const begun: number[] = [];
  const startedAt = performance.now();
  await runScripts(launcher, {}, [
    ["echo", async (run) => {
      begun.push(run.begun());
      await run.record;
      begun.push(run.begun());
    }],
    ["echo", async (run) => {
      begun.push(run.begun());
      await run.record;
      begun.push(run.begun());
    }],
  ]);
  assert.ok(begun[0]! >= startedAt && begun[1]! > begun[0]!, "the first waits for the sandbox");
  assert.equal(begun[2], begun[3]);
});

/** Whose time it is while a run waits for its caller, in real sandboxes. */
import assert from "node:assert/strict";
import type { ByteSource } from "../lib/byte_source.ts";
import { pause } from "../lib/pause.ts";
import { eachLauncher, type Launcher } from "../worlds/sandbox/launchers.ts";
import { openSandbox, type Run, type RunRecord } from "./sandbox.ts";

const runUid = Deno.uid() === 0 ? 1_830_000_400 : null;
const LIMITS = { timeoutMs: 1_500, memoryMb: 64, stdoutBytes: 1e8, stderrBytes: 4_096 };
const BYTES = 4_000_000;

async function runScript(
  launcher: Launcher,
  script: string,
  stdin: ByteSource | null,
  read: (run: Run) => Promise<unknown>,
): Promise<RunRecord> {
  const sandbox = await openSandbox({ ...launcher, runUid }, {
    programDir: "/usr",
    limits: LIMITS,
  });
  try {
    const run = await sandbox.run({ argv: ["bin/sh", "-c", script], env: {}, stdin });
    await read(run);
    return await run.record;
  } finally {
    await sandbox.close();
  }
}

/** Reads to the end, so many milliseconds after each chunk. */
const slowly = (ms: number) => async ({ output }: Run) => {
  let bytes = 0;
  for (let chunk; (chunk = await output.read().catch(() => null)) !== null;) {
    bytes += chunk.length;
    await pause(ms);
  }
  return bytes;
};

/** So many chunks, each after a while. */
function drops(count: number, ms: number): ByteSource {
  let left = count;
  return {
    async read() {
      if (left-- <= 0) return null;
      await pause(ms);
      return new Uint8Array(1_000);
    },
    cancel: () => void (left = 0),
  };
}

eachLauncher("a program whose output nobody takes for long ends whole", async (launcher) => {
  const begun: number[] = [];
  let bytes = 0;
  const record = await runScript(launcher, `head -c ${BYTES} /dev/zero`, null, async (run) => {
    begun.push(run.begun());
    bytes = await slowly(150)(run);
    begun.push(run.begun());
  });
  assert.deepEqual([record.limit, bytes], [null, BYTES]);
  assert.ok(record.wallMs > 1.2 * LIMITS.timeoutMs, `it ended after ${record.wallMs} ms`);
  const movedMs = begun[1]! - begun[0]!;
  assert.ok(movedMs > record.wallMs - LIMITS.timeoutMs, `its clock stood for ${movedMs} ms`);
  assert.ok(movedMs < record.wallMs, `its clock stood for ${movedMs} ms`);
});

eachLauncher("a program whose caller sends slowly ends whole", async (launcher) => {
  const record = await runScript(launcher, "wc -c", drops(8, 300), slowly(0));
  assert.deepEqual([record.limit, record.stdinBytes], [null, 8_000]);
  assert.ok(record.wallMs > 1.3 * LIMITS.timeoutMs, `it ended after ${record.wallMs} ms`);
});

eachLauncher("who computes while nobody takes anything is out of time", async (launcher) => {
  const script = "(while :; do :; done) & head -c 4000000 /dev/zero";
  const record = await runScript(launcher, script, null, slowly(400));
  assert.equal(record.limit, "timeout");
});

eachLauncher(
  "a program that has nothing to print, and sleeps, is out of time",
  async (launcher) => {
    const record = await runScript(launcher, "echo; sleep 30", null, slowly(1));
    assert.equal(record.limit, "timeout");
    assert.ok(record.wallMs < 10_000, `it ended after ${record.wallMs} ms`);
  },
);

eachLauncher(
  "who sleeps with a part of a widened pipe printed, and not taken, is out of time",
  async (launcher) => {
    // All that may be under way, and of what the pipe holds then less than a half. Written at once,
    // as a pipe is widened where more than its half is found in it.
    const script = "dd if=/dev/zero bs=620000 count=1 status=none; sleep 30";
    const takeNothing = async (run: Run) => {
      await Promise.race([run.record, pause(6_000)]);
      await slowly(0)(run);
    };
    const record = await runScript(launcher, script, null, takeNothing);
    assert.equal(record.limit, "timeout");
    assert.ok(record.wallMs < 4_000, `it ended after ${record.wallMs} ms`);
  },
);

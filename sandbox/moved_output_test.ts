/** Much output, whose pages init moves on instead of copying them (init/output.c). */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { eachWay, openByWay, type Way } from "../worlds/sandbox/ways.ts";
import type { Sandbox } from "./sandbox.ts";

const runUid = Deno.uid() === 0 ? 1_800_000_000 : null;
const limits = { timeoutMs: 10_000, memoryMb: 256, stdoutBytes: 64 << 20, stderrBytes: 64 << 10 };
/** No two of its pages are alike. */
const MUCH = new Uint8Array(9_000_017);
for (let at = 0; at < MUCH.length; at += 65_536) {
  crypto.getRandomValues(MUCH.subarray(at, at + 65_536));
}

async function withProgram(
  way: Way,
  script: string,
  over: Partial<typeof limits>,
  use: (sandbox: Sandbox) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.chmod(dir, 0o755);
    await Deno.writeTextFile(`${dir}/main`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    await Deno.writeTextFile(`${dir}/packets.py`, PACKETS);
    await Deno.writeFile(`${dir}/much`, MUCH, { mode: 0o644 });
    const policy = { programDir: dir, limits: { ...limits, ...over } };
    const sandbox = await openByWay({ ...way, runUid }, policy);
    await use(sandbox);
    await sandbox.close();
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const start = (sandbox: Sandbox, ...args: string[]) =>
  sandbox.run({ argv: ["./main", ...args], env: {}, stdin: null });

async function printedBy(sandbox: Sandbox, ...args: string[]) {
  const run = await start(sandbox, ...args);
  const hash = createHash("sha256");
  let bytes = 0;
  let error: unknown = null;
  try {
    for await (const chunk of run.stdout()) {
      hash.update(chunk);
      bytes += chunk.length;
    }
  } catch (thrown) {
    error = thrown;
  }
  return { sha256: hash.digest("hex"), bytes, error, record: await run.record };
}

const sha256 = (...parts: Uint8Array[]) =>
  parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest("hex");

eachWay("much output comes whole, in its order, beside others' and what is said", async (way) => {
  const script = `printf '%s' "$1"
    dd if=much bs=4099 count=300 2>/dev/null; echo said >&2
    dd if=much bs=61000 skip=0 2>/dev/null; echo "$1"`;
  await withProgram(way, script, {}, async (sandbox) => {
    const text = (each: string) => new TextEncoder().encode(each);
    const names = ["a", "bc", "def"];
    const all = await Promise.all(names.map((name) => printedBy(sandbox, name)));
    for (const [index, name] of names.entries()) {
      const { bytes, record, ...rest } = all[index]!;
      const parts = [text(name), MUCH.subarray(0, 4_099 * 300), MUCH, text(`${name}\n`)];
      assert.deepEqual(rest, { sha256: sha256(...parts), error: null });
      assert.equal(record.stdoutBytes, bytes);
      assert.equal(new TextDecoder().decode(record.stderr), "said\n");
    }
  });
});

eachWay("output is bounded to the byte, however it comes", async (way) => {
  for (const stdoutBytes of [1_000_003, 2 << 20]) {
    await withProgram(way, "exec cat much much", { stdoutBytes }, async (sandbox) => {
      const { error, record } = await printedBy(sandbox);
      assert.match(String(error), /printed more than/);
      assert.deepEqual([record.limit, record.stdoutBytes], ["stdout", stdoutBytes]);
    });
  }
});

eachWay("what takes its own output away has less of it, and harms no other run", async (way) => {
  const script = `[ "$1" = ok ] && exec cat much
    head -c 700000 </proc/$$/fd/1 >/dev/null & thief=$!
    cat much; wait $thief`;
  await withProgram(way, script, {}, async (sandbox) => {
    const [stolen, whole] = await Promise.all([printedBy(sandbox), printedBy(sandbox, "ok")]);
    assert.deepEqual([whole.sha256, whole.error], [sha256(MUCH), null]);
    assert.equal(stolen.bytes, MUCH.length - 700_000);
    assert.equal((await printedBy(sandbox, "ok")).sha256, sha256(MUCH));
  });
});

/** Prints packets, of which a read may drop the rest, where frames of init would begin. */
const PACKETS = `import fcntl, os
page = b"p" * 4096
for packets in (0, os.O_DIRECT):
    try:
        fcntl.fcntl(1, fcntl.F_SETFL, os.O_WRONLY | packets)
    except OSError as error:
        os.write(2, str(error.errno).encode())
    for n in range(300):
        os.write(1, page[: 4000 if n % 16 == 15 else 4096])
try:
    os.pipe2(os.O_DIRECT)
except OSError as error:
    os.write(2, str(error.errno).encode())
`;
const PACKET_BYTES = 2 * (300 * 4_096 - Math.floor(300 / 16) * 96);

eachWay(
  "no program makes packets of what it prints, of which a reader may lose the rest",
  async (way) => {
    const script = `[ "$1" = ok ] && exec cat much\nexec python3 packets.py`;
    await withProgram(way, script, {}, async (sandbox) => {
      const [packets, whole] = await Promise.all([printedBy(sandbox), printedBy(sandbox, "ok")]);
      assert.deepEqual([whole.sha256, whole.error], [sha256(MUCH), null]);
      assert.deepEqual([packets.bytes, packets.error], [PACKET_BYTES, null]);
      assert.equal(new TextDecoder().decode(packets.record.stderr), "2222", "EINVAL, twice");
    });
  },
);

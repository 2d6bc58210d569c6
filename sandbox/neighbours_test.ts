/** What the runs of one sandbox, side by side or one after the other, may do to one another. */
import assert from "node:assert/strict";
import { streamSource } from "../lib/byte_source.ts";
import { STDOUT_WINDOW_BYTES } from "./protocol.ts";
import { openSandbox } from "./sandbox.ts";
import { eachLauncher, type Launcher } from "../worlds/sandbox/launchers.ts";

const runUid = Deno.uid() === 0 ? 1_840_000_000 : null;
// Of 64 at a time on few processors one may wait for seconds: the kernel prefers what is new.
const limits = { timeoutMs: 20_000, memoryMb: 256, stdoutBytes: 1e6, stderrBytes: 1e4 };

/** How a script that meets another on an abstract socket begins. */
const MEETS = "/usr/bin/python3\nimport os, socket, sys\ns = socket.socket(socket.AF_UNIX)\n";

/** A program folder with these scripts, which stand without their `#!`, and its sandbox. */
async function openScripts(launcher: Launcher, scripts: Record<string, string>) {
  const dir = await Deno.makeTempDir();
  await Deno.chmod(dir, 0o755);
  for (const [name, script] of Object.entries(scripts)) {
    await Deno.writeTextFile(`${dir}/${name}`, `#!${script}\n`, { mode: 0o755 });
  }
  const sandbox = await openSandbox({ ...launcher, runUid }, { programDir: dir, limits });
  return {
    sandbox,
    /** Starts `name`; it has printed "begun" and now reads stdin. */
    async begin(name: string) {
      const stdin = new TransformStream<Uint8Array, Uint8Array>();
      const run = await sandbox.run({ argv: [name], env: {}, stdin: streamSource(stdin.readable) });
      const stdout = run.stdout().pipeThrough(new TextDecoderStream()).getReader();
      assert.equal((await stdout.read()).value, "begun\n");
      return { run, stdout, stdin: stdin.writable.getWriter() };
    },
    async [Symbol.asyncDispose]() {
      await sandbox.close();
      await Deno.remove(dir, { recursive: true });
    },
  };
}

eachLauncher("a run whose stdout lives on in another run ends all the same", async (launcher) => {
  await using scripts = await openScripts(launcher, {
    takes: `${MEETS}s.bind("\\0taken"); s.listen()
print("begun", flush=True)
held = socket.recv_fds(s.accept()[0], 9, 1)
sys.stdin.read(); print("held", len(held[1]))`,
    gives: `${MEETS}s.connect("\\0taken")
socket.send_fds(s, [b"x"], [1]); print("given")`,
  });
  const takes = await scripts.begin("takes");
  const gives = await scripts.sandbox.run({ argv: ["gives"], env: {}, stdin: null });
  assert.equal(await new Response(gives.stdout()).text(), "given\n");
  assert.equal((await gives.record).exit, 0);
  await takes.stdin.close();
  assert.equal((await takes.stdout.read()).value, "held 1\n");
  assert.equal((await takes.run.record).exit, 0);
});

eachLauncher("what another run writes to a dead run's stdout is not its own", async (launcher) => {
  await using scripts = await openScripts(launcher, {
    writes: `${MEETS}s.bind("\\0given"); s.listen()
print("begun", flush=True)
out = socket.recv_fds(s.accept()[0], 9, 1)[1][0]
os.set_blocking(0, False); os.set_blocking(out, False)
while sys.stdin.buffer.raw.read(1) != b"":
  try: os.write(out, b"x" * 65536)
  except BlockingIOError: pass`,
    leaves: `${MEETS}s.connect("\\0given"); print("given", flush=True)
socket.send_fds(s, [b"x"], [1, 2])`,
  });
  const writes = await scripts.begin("writes");
  const leaves = await scripts.sandbox.run({ argv: ["leaves"], env: {}, stdin: null });
  const { stdoutBytes, stderrBytes } = await leaves.record;
  // Nobody takes its output: a window while it lives, and what its pipes held when it died, of
  // which that of stdout is wide by then (init/pipes.h).
  const most = STDOUT_WINDOW_BYTES + 262_144;
  assert.ok(stdoutBytes <= most && stderrBytes <= 65_536, `${stdoutBytes} bytes`);
  await writes.stdin.close();
  await writes.stdout.read().catch(() => {});
});

eachLauncher("hundreds of runs, as many at a time as fit, all find it fresh", async (launcher) => {
  const script = "/bin/sh\necho $1; ls /tmp /dev/shm; echo x > /tmp/x; echo x > /dev/shm/x";
  await using scripts = await openScripts(launcher, { says: script });
  let next = 0;
  const caller = async () => {
    while (next < 400) {
      const word = String(next++);
      const run = await scripts.sandbox.run({ argv: ["says", word], env: {}, stdin: null });
      assert.equal(await new Response(run.stdout()).text(), `${word}\n/dev/shm:\n\n/tmp:\n`);
      assert.equal((await run.record).exit, 0);
    }
  };
  await Promise.all(Array.from({ length: 64 }, caller));
});

eachLauncher("programs that cannot start do not stop others from it", async (launcher) => {
  await using scripts = await openScripts(launcher, { works: "/bin/true", broken: "/no/such" });
  for (let round = 0; round < 5; round++) {
    for (const [name, exit] of [["broken", 127], ["works", 0], ["missing", 127]] as const) {
      const run = await scripts.sandbox.run({ argv: [name], env: {}, stdin: null });
      assert.equal((await run.record).exit, exit);
    }
  }
});

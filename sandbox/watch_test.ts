/** What init sees to where no cgroup does: time that is counted, shares, sessions, memory. */
import assert from "node:assert/strict";
import { eachLauncher, type Launcher } from "../worlds/sandbox/launchers.ts";
import { prepareHost } from "./native.ts";
import { CONTROLLER } from "./protocol.ts";
import { openSandbox, type RunRecord } from "./sandbox.ts";

const runUid = Deno.uid() === 0 ? 1_830_000_200 : null;
const LIMITS = { timeoutMs: 5_000, memoryMb: 64, stdoutBytes: 1e6, stderrBytes: 4_096 };

/** What a shell script printed, and what came of it. */
async function runScript(
  launcher: Launcher,
  script: string,
  limits: Partial<typeof LIMITS> = {},
): Promise<{ lines: string[]; record: RunRecord }> {
  const policy = { programDir: "/usr", limits: { ...LIMITS, ...limits } };
  const sandbox = await openSandbox({ ...launcher, runUid }, policy);
  try {
    const run = await sandbox.run({ argv: ["bin/sh", "-c", script], env: {}, stdin: null });
    let text = "";
    try {
      for await (const chunk of run.stdout().pipeThrough(new TextDecoderStream())) text += chunk;
    } catch {
      // It was ended.
    }
    return { lines: text.trim().split("\n"), record: await run.record };
  } finally {
    await sandbox.close();
  }
}

const { controllers } = await prepareHost({ launcher: "bwrap", runUid });
const sharedOut = (controllers & CONTROLLER.cpu) !== 0;
const countsMemory = (controllers & CONTROLLER.memory) !== 0;

eachLauncher("a run that is ended tells the time of all that it started", async (launcher) => {
  const spin = "while :; do :; done";
  // Clock ticks of 10 ms: field 14 of /proc/PID/stat.
  const script = `(${spin}) & (${spin}) & one=$!; while :; do cut -d' ' -f14 /proc/$one/stat
    sleep 0.02; done`;
  const { lines, record } = await runScript(launcher, script, { timeoutMs: 800 });
  assert.equal(record.limit, "timeout");
  assert.equal(record.signal, "SIGKILL");
  const seenMs = Number(lines.at(-1)) * 10;
  assert(seenMs > 0, lines.join());
  assert(record.cpuMs! >= seenMs - 20, `${record.cpuMs} ms, of which one spinner ${seenMs}`);
  assert(record.cpuMs! <= 2 * record.wallMs, `${record.cpuMs} ms in ${record.wallMs}`);
});

eachLauncher("a run that used too much memory tells its time", async (launcher) => {
  const { record } = await runScript(launcher, "a=x; while :; do a=$a$a; done");
  assert.deepEqual([record.limit, record.signal], ["memory", "SIGKILL"]);
  assert(record.cpuMs! > 5, String(record.cpuMs));
});

eachLauncher(
  "a session that a program makes is a process group that it can end",
  async (launcher) => {
    const { lines } = await runScript(
      launcher,
      `setsid sh -c 'sleep 60 & sleep 60' & sleep 0.2; kill -9 -$!; wait $!; echo $?
    sleep 0.1; pgrep -c -r S sleep; setsid sh -c 'ps -o sid= -p $$' | tr -d ' '`,
    );
    assert.deepEqual(lines.slice(0, 2), ["137", "0"]);
    if (!sharedOut) assert.equal(lines[2], "0", "the session is the sandbox's");
  },
);

eachLauncher(
  "setsid tells the caller's pid, also one that keeps debuggers out",
  async (launcher) => {
    // As gpg-agent and ssh-agent do: prctl(PR_SET_DUMPABLE, 0), and then a session.
    const daemon = "syscall(157, 4, int shift) == 0 or die; " +
      'fork or print POSIX::setsid() == $$ && getpgrp == $$ ? "good" : "bad $!"; wait';
    const { lines } = await runScript(
      launcher,
      `for dumpable in 0 1; do perl -MPOSIX -e '${daemon}' $dumpable; echo; done`,
    );
    assert.deepEqual(lines, ["good", "good"]);
  },
);

/** Calls setsid with numbers in registers that it leaves alone, and returns their sum. */
const SETSID_CODE = {
  x86_64: "48c7c73412000048c7c600000100b8700000000f05488d0437c3",
  aarch64: "2100a0d2a81380d2010000d4804682d20000018bc0035fd6",
}[Deno.build.arch];

eachLauncher("setsid leaves registers as they are, as compilers count on it", async (launcher) => {
  const { lines } = await runScript(
    launcher,
    `exec python3 -c '
import ctypes, mmap, os
page = mmap.mmap(-1, 4096, prot=7)
page.write(bytes.fromhex("${SETSID_CODE}"))
code = ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
if os.fork() == 0:
    print(hex(code()), os.getpgrp() == os.getpid(), flush=True)
    print(hex(code()), flush=True)
    os._exit(0)
os.wait()'`,
  );
  assert.deepEqual(lines, ["0x11234 True", "0x11234"]);
});

eachLauncher({
  name: sharedOut
    ? "shares: NOT RUN, a cgroup gives them out"
    : "threads that want more than a share sink, and stay down",
  ignore: sharedOut,
}, async (launcher) => {
  const priority = "cut -d' ' -f19 /proc/$!/stat"; // nice
  const policy = "cut -d' ' -f41 /proc/$!/stat";
  const { lines } = await runScript(
    launcher,
    `spin() { i=0; while [ $i -lt $1 ]; do (while :; do :; done) & i=$((i+1)); done; sleep 0.3; }
    spin 1; ${priority}; spin 3; ${priority}; spin 12; ${policy}
    renice -n 0 -p $! >/dev/null 2>&1; chrt -o -p 0 $! >/dev/null 2>&1; ${policy}`,
  );
  const [one, four, sixteen, later] = lines.map(Number);
  // The shell may have wanted to run as well.
  assert(one! <= 4, `one: ${one}`);
  assert(four! >= 5 && four! <= 9, `four: ${four}`);
  assert.deepEqual([sixteen, later], [5, 5], "SCHED_IDLE");
});

eachLauncher({
  name: countsMemory
    ? "uncounted memory: NOT RUN, a cgroup counts it"
    : "there is no memory that nobody need have mapped",
  ignore: countsMemory,
}, async (launcher) => {
  const { lines } = await runScript(launcher, "ipcmk -M 64 2>&1; ipcmk -S 1 >/dev/null && echo ok");
  assert.match(lines[0]!, /not implemented/);
  assert.equal(lines[1], "ok");
});

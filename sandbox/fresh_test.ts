/**
 * What a run can leave in its keeper's namespaces, the next run there does not find. Each attack
 * has its control: whoever left it finds it himself.
 */
import assert from "node:assert/strict";
import { openSandbox, type Sandbox } from "./sandbox.ts";
import { eachLauncher, type Launcher } from "../worlds/sandbox/launchers.ts";

const runUid = Deno.uid() === 0 ? 1_850_000_000 : null;
const limits = { timeoutMs: 20_000, memoryMb: 256, stdoutBytes: 1e6, stderrBytes: 1e4 };

/** What a script begins with: `say` prints one fact, and where it is stands first. */
const HEAD = `#!/usr/bin/python3
import ctypes, fcntl, os, resource, signal, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
say = lambda *words: print(*words, flush=True)
say(os.readlink("/proc/self/ns/pid"))
`;

/**
 * Leaves something when its argument is "leave"; then, and without, says what it sees of it. POSIX
 * queues are not among them: their limit is 0 (setup.ts).
 */
const ATTACKS: Record<string, string> = {
  "files, rights, attributes and times of /tmp": `
if leave:
  open("/tmp/file", "w").write("x"); open("/dev/shm/memory", "w").write("x")
  os.setxattr("/tmp", "user.mark", b"x"); os.chmod("/tmp", 0o700); os.utime("/tmp", (5, 5))
marks = os.listxattr("/tmp"); info = os.stat("/tmp")
say(sorted(os.listdir("/tmp")), marks, oct(info.st_mode), info.st_mtime == 5)
made = os.open("/tmp", os.O_TMPFILE | os.O_RDWR); say(os.fstat(made).st_ino)`,
  "System V queues, semaphores and how many there were": `
if leave:
  for key in (7, 8): libc.msgget(key, 0o1666); libc.semget(key, 3, 0o1666)
  libc.msgctl(libc.msgget(8, 0), 0, None)
say(libc.msgget(7, 0) >= 0, libc.semget(7, 3, 0) >= 0, libc.msgget(0, 0o666))`,
  "processes that hide from signals and from their parents": `
if leave and os.fork() == 0:
  os.setsid()
  for number in set(range(1, 65)) - {9, 19, 32, 33}: signal.signal(number, signal.SIG_IGN)
  if os.fork() == 0:
    os.close(1); os.close(2); time.sleep(60)
  os._exit(0)
time.sleep(0.05)
say(len([name for name in os.listdir("/proc") if name.isdigit()]) > 2)`,
  "how far pids have got": `
if leave:
  for _ in range(12):
    if os.fork() == 0: os._exit(0)
    os.wait()
pid = os.fork()
if pid == 0: os._exit(0)
os.wait(); say(os.getpid() if not leave else "", pid, open("/proc/loadavg").read().split()[-1])`,
  "signals that wait for pid 1": `
if leave:
  for _ in range(30): os.kill(1, signal.SIGRTMIN + 3)
  for number in (1, 10, 12, 15, 17): os.kill(1, number)
text = open("/proc/self/status").read()
say(int(text.split("SigQ:")[1].split("/")[0]) >= 30)`,
  "a mask, a folder, a priority, limits and processors": `
if leave:
  os.umask(0o77); os.chdir("/"); os.nice(7); os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
  resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
  libc.setpriority(0, 1, 19); libc.setpriority(1, 0, 9); libc.prlimit(1, 7, None, None)
mask = os.umask(0)
say(mask, os.getcwd(), os.getpriority(0, 0), resource.getrlimit(resource.RLIMIT_NOFILE),
    os.getpriority(0, 1), os.sched_getscheduler(1), len(os.sched_getaffinity(0)) > 1)`,
  "locks, and names of sockets": `
if leave:
  held = open("/app/main"); fcntl.flock(held, fcntl.LOCK_EX)
  named = socket.socket(socket.AF_UNIX); named.bind("\\0left")
  other = open("/app/main")
else: other = open("/app/main")
def tries(act):
  try: act(); return True
  except OSError: return False
say(tries(lambda: fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)),
    tries(lambda: socket.socket(socket.AF_UNIX).bind("\\0left")))`,
};

interface Look {
  /** Of the pid namespace, which is one keeper's. */
  place: string;
  said: string;
  cpuMs: number;
  peakBytes: number;
}

async function openScript(launcher: Launcher, script: string) {
  const dir = await Deno.makeTempDir();
  await Deno.chmod(dir, 0o755);
  await Deno.writeTextFile(`${dir}/main`, script, { mode: 0o755 });
  const sandbox = await openSandbox({ ...launcher, runUid }, { programDir: dir, limits });
  return {
    look: (...args: string[]) => look(sandbox, args),
    /** Where a run was that said so, and that was then given up. */
    async abandon() {
      const run = await sandbox.run({ argv: ["./main", "stay"], env: {}, stdin: null });
      const { output } = run;
      const place = new TextDecoder().decode((await output.read())!).trim();
      await output.cancel();
      await run.record.catch(() => {});
      return place;
    },
    async [Symbol.asyncDispose]() {
      await sandbox.close();
      await Deno.remove(dir, { recursive: true });
    },
  };
}

async function look(sandbox: Sandbox, args: string[]): Promise<Look> {
  const run = await sandbox.run({ argv: ["./main", ...args], env: {}, stdin: null });
  const [place, ...said] = (await new Response(run.stdout()).text()).trim().split("\n");
  const { exit, stderr, cpuMs, peakMemoryBytes } = await run.record;
  assert.equal(exit, 0, new TextDecoder().decode(stderr));
  return { place: place!, said: said.join("\n"), cpuMs: cpuMs!, peakBytes: peakMemoryBytes! };
}

/** Of pairs of runs. On a busy machine many a run is slowed down, and takes its keeper along. */
const TRIES = 40;
/** Runs in a place where something was left. */
const ENOUGH = 3;

/**
 * Has one run leave something and another look, until enough have looked where it was left.
 * @param leaves what the first of a pair says
 * @param looks what the second says
 */
async function meet(
  script: { look(...args: string[]): Promise<Look> },
  leaves: (look: Look) => void,
  looks: (look: Look) => void,
): Promise<void> {
  const left = new Set<string>();
  let met = 0;
  for (let time = 0; time < TRIES && met < ENOUGH; time++) {
    const first = await script.look("leave");
    leaves(first);
    left.add(first.place);
    const second = await script.look();
    looks(second);
    if (left.delete(second.place)) met++;
  }
  assert.equal(met, ENOUGH, "too few runs came where something had been left");
}

for (const [what, attack] of Object.entries(ATTACKS)) {
  eachLauncher(`a keeper carries nothing on: ${what}`, async (launcher) => {
    const script = `${HEAD}leave = sys.argv[1:] == ["leave"]\n${attack}\n`;
    await using scripts = await openScript(launcher, script);
    const fresh = await scripts.look();
    await meet(
      scripts,
      ({ said }) => assert.notEqual(said, fresh.said, "who leaves it finds it"),
      ({ said }) => assert.equal(said, fresh.said),
    );
  });
}

eachLauncher("a keeper shows nothing of itself in /proc", async (launcher) => {
  const script = `${HEAD}
say("1" in os.listdir("/proc"), os.stat("/proc/1").st_nlink)
def change(path):
  try: os.chmod(path, 0o777)
  except OSError as error: return error.errno
def read(path):
  try: return open(path).read()
  except OSError as error: return error.errno
say([read(path) for path in ("/proc/1/stat", "/proc/1/status", "/proc/1/task/1/stat",
                             "/proc/self/../1/mem")], read("/proc/self/stat")[:2],
    change("/proc/1"))`;
  await using scripts = await openScript(launcher, script);
  for (let time = 0; time < 3; time++) {
    assert.equal((await scripts.look()).said, "True 2\n[13, 13, 13, 13] 2  30");
  }
});

eachLauncher("a run is told its own time and memory, whatever came before", async (launcher) => {
  const script = `${HEAD}
if sys.argv[1:] == ["leave"]:
  held = bytearray(90 * 1024 * 1024); until = time.process_time() + 0.3
  while time.process_time() < until: pass
`;
  await using scripts = await openScript(launcher, script);
  const least = await scripts.look();
  const large = 90 * 1024 * 1024;
  await meet(
    scripts,
    ({ cpuMs, peakBytes }) => assert.ok(cpuMs > 300 && peakBytes > large, `${cpuMs} ${peakBytes}`),
    ({ cpuMs, peakBytes }) => {
      assert.ok(cpuMs < least.cpuMs + 250 && peakBytes < large, `${cpuMs} ${peakBytes}`);
    },
  );
});

/** Process 1 of a pid namespace, as the host numbers it; undefined: it has ended. */
async function firstIn(place: string): Promise<string | undefined> {
  const args = ["--type", "pid", "--noheadings", "--output", "NS,PID"];
  const { stdout } = await new Deno.Command("lsns", { args }).output();
  const number = /\d+/.exec(place)![0];
  return new RegExp(`^ *${number} +(\\d+)$`, "m").exec(new TextDecoder().decode(stdout))?.[1];
}

eachLauncher("a keeper serves many runs, but not for ever", async (launcher) => {
  await using scripts = await openScript(launcher, "#!/bin/sh\nexec readlink /proc/self/ns/pid\n");
  // The number of a namespace that is gone may be another's.
  const keepers = new Map<string, string | undefined>();
  const runs = new Map<string, number>();
  for (let time = 0; time < 220; time++) {
    const { place } = await scripts.look();
    keepers.set(place, await firstIn(place) ?? keepers.get(place));
    const keeper = `${place} ${keepers.get(place)}`;
    runs.set(keeper, (runs.get(keeper) ?? 0) + 1);
  }
  const most = Math.max(...runs.values());
  assert.ok(runs.size <= 40, `${runs.size} keepers for 220 runs`);
  assert.ok(most <= 100, `${most} runs of one keeper`);
});

eachLauncher("a run that was ended takes its keeper along", async (launcher) => {
  await using scripts = await openScript(
    launcher,
    `${HEAD}if sys.argv[1:] == ["stay"]: time.sleep(60)\n`,
  );
  await scripts.look();
  const stays = await scripts.abandon();
  for (let time = 0; time < 12; time++) {
    assert.notEqual((await scripts.look()).place, stays);
  }
});

/**
 * What the kernel's cgroup v2 must do for a run, as cases for an emulated machine: programs stand
 * in /opt there, the attacker in `abuse` and a server in `server`.
 */
import assert from "node:assert/strict";
import { pause } from "../../lib/pause.ts";
import { type Instance, openInstance } from "../../sandbox/instance.ts";
import { probeSandbox } from "../../sandbox/probe.ts";
import {
  openSandbox,
  type RunRecord,
  type Sandbox,
  type SandboxHost,
} from "../../sandbox/sandbox.ts";
import type { Cases } from "./told.ts";

const MIB = 1024 * 1024;
const MEMORY_MB = 64;
/** Emulation is some twenty times slower than the machine. */
export const limits = {
  timeoutMs: 120_000,
  memoryMb: MEMORY_MB,
  stdoutBytes: MIB,
  stderrBytes: 64 * 1024,
};

/** Kinds of memory that the attacker knows. */
const MEMORY = {
  a: "anonymous memory",
  s: "shared memory",
  m: "memfd",
  u: "memory that nobody has mapped",
  v: "System V memory",
  8: "memory of eight processes",
};
/** Where the machine's core handler (emulator.ts) notes whose cores it got. */
const CORES = "/run/cores";

interface Done {
  text: string;
  record: RunRecord;
}

async function runAttack(
  sandbox: Sandbox,
  attack: string,
  argument: string,
  env: Readonly<Record<string, string>>,
): Promise<Done> {
  const url = `http://vm/${attack}?arg=${argument}`;
  const started = await sandbox.run({ argv: ["abuse", url], env, stdin: null });
  const text = await new Response(started.stdout()).text().catch(() => "");
  return { text, record: await started.record };
}

function fact({ text }: Done, name: string): string | undefined {
  return text.split("\n").find((line) => line.startsWith(`${name} `))?.slice(name.length + 1);
}

interface Served {
  instance: Instance;
  /** What it answers to a line (worlds/sandbox/server.c). */
  ask(line: string): Promise<string>;
  close(): Promise<void>;
}

async function startServer(host: SandboxHost): Promise<Served> {
  const socketDir = await Deno.makeTempDir();
  const request = {
    argv: ["server"],
    env: {},
    listen: { kind: "port", port: 8080 },
    socketDir,
    onOutput() {},
  } as const;
  const instance = await openInstance(host, { programDir: "/opt/server", limits }, request);
  return {
    instance,
    async ask(line) {
      const connection = await Deno.connect({ transport: "unix", path: instance.socketPath });
      await connection.write(new TextEncoder().encode(`${line}\n`));
      return await new Response(connection.readable).text();
    },
    async close() {
      await instance.close();
      await Deno.remove(socketDir, { recursive: true });
    },
  };
}

/** @param sandbox the attacker's, with `limits` */
export function limitCases(host: SandboxHost, sandbox: Sandbox): Cases {
  const run = (attack: string, argument = "", into = sandbox, env = {}) =>
    runAttack(into, attack, argument, env);
  const openServer = () => startServer(host);
  async function bomb(kind: string): Promise<string> {
    const neighbour = run("zombies");
    const done = await run("memory", `${kind}-200`);
    assert.equal(done.record.limit, "memory", JSON.stringify(done.record));
    assert.equal(fact(done, "touched"), undefined);
    assert.equal((await neighbour).record.exit, 0, "a neighbour in the same sandbox lives");
    assert.equal((await run("x32")).record.exit, 0, "and the sandbox goes on");
    const mib = done.record.peakMemoryBytes! / MIB;
    assert(mib <= MEMORY_MB + 1, `${mib} MiB`);
    return `peak ${mib.toFixed(1)} MiB of ${MEMORY_MB}, signal ${done.record.signal}`;
  }

  return {
    async "the probe finds memory, pids and cpu, and sweeps what a dead provider left"() {
      const probe = await probeSandbox(host);
      assert(probe.ok, JSON.stringify(probe));
      assert.deepEqual(probe.enforced, ["memory", "pids", "cpu"]);
      assert.equal(probe.swept, 1);
      return `programs run as ${probe.programsRunAs}`;
    },
    async "a program within its limits ends well, and its memory is measured"() {
      const done = await run("memory", "a-40");
      assert.equal(done.record.limit, null);
      assert.equal(fact(done, "touched"), "40");
      const mib = done.record.peakMemoryBytes! / MIB;
      assert(mib >= 40 && mib <= MEMORY_MB, `${mib} MiB`);
      return `peak ${mib.toFixed(1)} MiB, cpu ${done.record.cpuMs} ms`;
    },
    ...Object.fromEntries(
      Object.entries(MEMORY).map(([kind, what]) => [
        `too much ${what} ends the run, and it alone`,
        () => bomb(kind),
      ]),
    ),
    async "memory that outlives its run in another's hands is no later run's"() {
      const argv = ["abuse", "http://vm/heir?arg="];
      const heir = await sandbox.run({ argv, env: {}, stdin: null });
      await heir.output.read();
      const testator = await run("testator");
      assert.equal(testator.record.limit, "memory", JSON.stringify(testator));
      // A program's arguments are the first that its own cgroup has to hold.
      const env = Object.fromEntries(
        Array.from({ length: 100 }, (_, i) => [`LONG_${i}`, "x".repeat(1_000)]),
      );
      for (let call = 0; call < 4; call++) {
        const { record } = await run("x32", "", sandbox, env);
        assert.deepEqual([record.exit, record.limit], [0, null]);
      }
      heir.kill();
      const holder = await heir.record;
      assert.equal(holder.limit, "aborted", `its holder ended before: ${JSON.stringify(holder)}`);
      return "four runs after it ended well";
    },
    async "files in /tmp are charged to the run"() {
      const small = await openSandbox(host, {
        programDir: "/opt/abuse",
        limits: { ...limits, memoryMb: 16 },
      });
      const { record } = await run("fill", "/tmp", small);
      await small.close();
      assert.equal(record.limit, "memory");
      return `${record.limit}`;
    },
    async "the relay of a sandbox has a cgroup of its own, with limits, and calls go through it"() {
      using upstream = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const calls = (async () => {
        for await (const one of upstream) await one.readable.pipeTo(one.writable).catch(() => {});
      })();
      const egress = {
        hosts: ["api.test:80"],
        overrides: { "api.test:80": `127.0.0.1:${upstream.addr.port}` },
        connections: 16,
        connectionsPerSecond: 100,
        bytesPerSecond: 1e9,
        connectMs: 30_000,
        idleMs: 60_000,
      };
      const calling = await openSandbox(host, { programDir: "/opt/abuse", limits, egress });
      const done = await run("connects", encodeURIComponent("5 198.18.1.0 80"), calling);
      const find = "for dir in $(find /sys/fs/cgroup -type d -name relay); do " +
        'echo "$(wc -l <$dir/cgroup.procs) $(cat $dir/memory.max $dir/cpu.max | tr "\\n" " ")"; ' +
        "done";
      const { stdout } = await new Deno.Command("/bin/sh", { args: ["-c", find] }).output();
      await calling.close();
      upstream.close();
      await calls.catch(() => {});
      assert.equal(fact(done, "done"), "5");
      const said = new TextDecoder().decode(stdout).trim();
      assert.equal(said, `1 ${256 * MIB} 100000 100000`);
      return said;
    },
    async "forks stop at the run's own limit, and a neighbour still forks"() {
      const bombing = run("forkbomb");
      const neighbour = await run("zombies");
      const forks = Number(fact(await bombing, "forks"));
      assert(forks > 30 && forks <= 64, `${forks} forks`);
      assert.equal(neighbour.record.exit, 0);
      return `${forks} forks`;
    },
    async "threads stop at the run's own limit"() {
      const threads = Number(fact(await run("threads"), "threads"));
      assert(threads > 30 && threads <= 64, `${threads} threads`);
      return `${threads} threads`;
    },
    async "sixteen spinning processes get one processor's time"() {
      const timed = await openSandbox(host, {
        programDir: "/opt/abuse",
        limits: { ...limits, timeoutMs: 6_000 },
      });
      const { record } = await run("spin", "16", timed);
      await timed.close();
      assert.equal(record.limit, "timeout");
      const share = record.cpuMs! / 6_000;
      assert(share > 0.3 && share < 1.25, `${share} of a processor`);
      return `${
        share.toFixed(2)
      } of a processor (the machine has ${navigator.hardwareConcurrency})`;
    },
    async "a fork bomb that doubles is dead when its time is up"() {
      const timed = await openSandbox(host, {
        programDir: "/opt/abuse",
        limits: { ...limits, timeoutMs: 3_000 },
      });
      const { record } = await run("exponential", "", timed);
      await timed.close();
      assert.equal(record.limit, "timeout");
      return `${record.wallMs.toFixed(0)} ms`;
    },
    async "a crash does not start the machine's core handler, one outside does"() {
      const cores = async () => (await Deno.readTextFile(CORES).catch(() => "")).split("\n");
      const outside = async () => (await cores()).filter((name) => name === "sh").length;
      const before = await outside();
      const { record } = await run("crash", "11");
      assert.equal(record.signal, "SIGSEGV");
      await new Deno.Command("/bin/sh", { args: ["-c", "kill -SEGV $$"] }).output();
      const deadline = performance.now() + 60_000;
      while (await outside() === before) assert(performance.now() < deadline, "no core outside");
      assert(!(await cores()).includes("abuse"), "the run's core was handled");
      return "RLIMIT_CORE keeps it out";
    },
    async "a server stands still in its cgroup whatever it does against it, and goes on"() {
      const { instance, ask, close } = await openServer();
      await ask("escape");
      instance.freeze();
      // Time itself is what passes here: nothing happens that could be waited for.
      await pause(1_000);
      const before = await instance.usage();
      await pause(3_000);
      const after = await instance.usage();
      const thawedAt = performance.now();
      instance.thaw();
      await ask("early");
      const tookMs = performance.now() - thawedAt;
      await pause(1_000);
      const awake = await instance.usage();
      await close();
      assert.equal(after.cpuMs, before.cpuMs);
      assert(awake.cpuMs > after.cpuMs + 100, `${awake.cpuMs - after.cpuMs} ms`);
      assert.equal((await instance.record).limit, "aborted");
      return `an answer ${tookMs.toFixed(0)} ms after the thaw`;
    },
    async "a frozen server can be told to end, and be killed"() {
      const ends: unknown[] = [];
      for (const end of ["terminate", "kill"] as const) {
        const { instance, ask, close } = await openServer();
        await ask("early");
        instance.freeze();
        await pause(500);
        instance[end]();
        const { exit, limit } = await instance.record;
        ends.push([exit, limit]);
        await close();
      }
      assert.deepEqual(ends, [[7, null], [null, "aborted"]]);
      return "both";
    },
    async "too much memory ends a server, and what it holds is told"() {
      const { instance, ask, close } = await openServer();
      await ask("use 40");
      const { memoryBytes, processes } = await instance.usage();
      await ask("use 40").catch(() => {});
      const { limit } = await instance.record;
      await close();
      assert.equal(limit, "memory");
      const mib = memoryBytes / MIB;
      assert(mib >= 40 && mib <= MEMORY_MB, `${mib} MiB`);
      assert(processes >= 1);
      return `${mib.toFixed(1)} MiB held before`;
    },
    async "ten runs at once have ten limits"() {
      const all = await Promise.all(
        Array.from({ length: 10 }, (_, i) => run("memory", i % 2 ? "a-40" : "a-200")),
      );
      const ends = all.map(({ record }) => record.limit ?? "-");
      assert.deepEqual(ends, all.map((_, i) => i % 2 ? "-" : "memory"));
      return ends.join(" ");
    },
  };
}

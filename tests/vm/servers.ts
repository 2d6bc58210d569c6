/**
 * Cases of guest.ts for servers: what the kernel's cgroup v2 does for an instance that stands
 * still, is measured, or takes too much.
 */
import assert from "node:assert/strict";
import { pause } from "../../lib/pause.ts";
import { type Instance, openInstance } from "../../sandbox/instance.ts";
import type { SandboxHost } from "../../sandbox/policy.ts";

const MIB = 1024 * 1024;
const MEMORY_MB = 64;
/** Longer than servers wait for signs of life of their own parts. */
const STILL_MS = 60_000;
/** Emulation is some twenty times slower than the machine, and a stop is quick. */
const SOON_MS = 10_000;
/** Programs of vm.ts, each a folder in /opt, and how much memory each gets, MiB. */
const SERVERS = { gunicorn: 256, uvicorn: 256, node: 512, go: 256 };
const CALLERS = 4;

class Guest implements AsyncDisposable {
  private constructor(
    readonly instance: Instance,
    /** Its cgroup. */
    readonly cgroup: string,
    private readonly socketDir: string,
  ) {}

  static async open(host: SandboxHost, program: string, memoryMb = MEMORY_MB): Promise<Guest> {
    const socketDir = await Deno.makeTempDir();
    const limits = { timeoutMs: 120_000, memoryMb, stdoutBytes: MIB, stderrBytes: MIB };
    const before = await cgroups();
    let printed = "";
    const instance = await openInstance(host, { programDir: `/opt/${program}`, limits }, {
      argv: ["main"],
      env: {},
      listen: { kind: "port", port: 8080 },
      socketDir,
      onOutput: (bytes) => void (printed += new TextDecoder().decode(bytes)),
    });
    return await Guest.#ready(instance, before, socketDir).catch(async (error) => {
      await instance.close();
      throw new Error(`${program} did not come up: ${error}: ${printed}`);
    });
  }

  static async #ready(instance: Instance, before: string[], socketDir: string): Promise<Guest> {
    using _connection = await Deno.connect({ transport: "unix", path: instance.socketPath });
    const ended = instance.record.then((record) => Promise.reject(JSON.stringify(record)));
    await Promise.race([instance.listening(), ended]);
    const own = (await cgroups()).filter((path) => !before.includes(path));
    assert.equal(own.length, 1, own.join(" "));
    return new Guest(instance, own[0]!, socketDir);
  }

  /** What server.c answers, or any server of HTTP, to the end. */
  async ask(text: string): Promise<string> {
    const connection = await Deno.connect({ transport: "unix", path: this.instance.socketPath });
    await connection.write(new TextEncoder().encode(text));
    return await new Response(connection.readable).text();
  }

  async get(): Promise<void> {
    const answer = await this.ask("GET / HTTP/1.1\r\nHost: vm\r\nConnection: close\r\n\r\n");
    assert.match(answer, /^HTTP\/1\.1 200 /);
  }

  /** Resolves when the kernel says that it stands still, or does not. */
  async untilFrozen(isFrozen: boolean): Promise<void> {
    const deadline = performance.now() + SOON_MS;
    const events = `cat ${this.cgroup}/cgroup.events`;
    while (!(await told(events)).includes(`frozen ${isFrozen ? 1 : 0}`)) {
      assert(performance.now() < deadline, `frozen is not ${isFrozen}`);
    }
  }

  async freeze(): Promise<void> {
    this.instance.freeze();
    await this.untilFrozen(true);
  }

  /** @throws AssertionError when it took any of the processor's time meanwhile */
  async standsStillFor(ms: number): Promise<void> {
    const before = await this.instance.usage();
    await pause(ms);
    const { cpuMs } = await this.instance.usage();
    assert.equal(cpuMs, before.cpuMs, "it worked though it was frozen");
    await this.untilFrozen(true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.instance.close();
    assert.deepEqual([...Deno.readDirSync(this.socketDir)], []);
    await Deno.remove(this.socketDir);
    assert(!(await cgroups()).includes(this.cgroup), "its cgroup is left");
  }
}

/** What a command of the shell tells: files of the kernel's are not for Deno to read. */
async function told(command: string): Promise<string> {
  const { stdout } = await new Deno.Command("/bin/sh", { args: ["-c", command] }).output();
  return new TextDecoder().decode(stdout);
}

/** Of the runs of all sandboxes. */
async function cgroups(): Promise<string[]> {
  const found = await told("find /sys/fs/cgroup -type d -name run-0");
  return found.split("\n").filter((line) => line !== "");
}

/** Loops of callers, each of which gets whole answers and nothing else. */
async function load(guest: Guest, ms: number): Promise<number> {
  const until = performance.now() + ms;
  let answers = 0;
  await Promise.all(Array.from({ length: CALLERS }, async () => {
    while (performance.now() < until) {
      await guest.get();
      answers += 1;
    }
  }));
  return answers;
}

/** Load, no load and so on, as a provider freezes and thaws; then still for long, with callers. */
async function endure(guest: Guest): Promise<string> {
  let answers = 0;
  for (let round = 0; round < 3; round++) {
    answers += await load(guest, 1_000);
    await guest.freeze();
    guest.instance.thaw();
  }
  const { memoryBytes, processes } = await guest.instance.usage();
  await guest.freeze();
  const waiting = Array.from({ length: CALLERS }, () => guest.get());
  await guest.standsStillFor(STILL_MS);
  guest.instance.thaw();
  await Promise.all(waiting);
  answers += await load(guest, 1_000);
  return `${answers} answers, ${(memoryBytes / MIB).toFixed(0)} MiB, ${processes} processes`;
}

export function serverCases(host: SandboxHost): Record<string, () => Promise<string>> {
  return {
    async "a frozen instance stands still as the kernel says, and thawed it answers"() {
      await using guest = await Guest.open(host, "server");
      await guest.ask("spin\n");
      const times: number[] = [];
      for (let round = 0; round < 10; round++) {
        await guest.freeze();
        if (round === 0) await guest.standsStillFor(2_000);
        const answer = guest.ask("early\n");
        await pause(20);
        const thawedAt = performance.now();
        guest.instance.thaw();
        assert.equal(await answer, "early\ndone\n");
        times.push(performance.now() - thawedAt);
        await guest.untilFrozen(false);
      }
      times.sort((one, other) => one - other);
      return `thawed and answered in ${times[5]!.toFixed(1)} ms (median, emulated)`;
    },
    async "a timer that undoes stops does not thaw it"() {
      await using guest = await Guest.open(host, "server");
      await guest.ask("escape\n");
      await guest.freeze();
      await guest.standsStillFor(5_000);
      guest.instance.thaw();
      assert.equal(await guest.ask("early\n"), "early\ndone\n");
      return "it took nothing, and was not ended for it";
    },
    async "frozen an instance can be told to end, and be killed"() {
      await using asked = await Guest.open(host, "server");
      await asked.freeze();
      asked.instance.terminate();
      assert.equal((await asked.instance.record).exit, 7);
      await using killed = await Guest.open(host, "server");
      await killed.freeze();
      killed.instance.kill();
      assert.equal((await killed.instance.record).limit, "aborted");
      return "both";
    },
    async "an instance's memory and processor time are told, awake and frozen"() {
      await using guest = await Guest.open(host, "server");
      const idle = await guest.instance.usage();
      await guest.ask("use 40\n");
      const holding = await guest.instance.usage();
      const mib = (holding.memoryBytes - idle.memoryBytes) / MIB;
      assert(mib > 38 && mib < 50, `${mib} MiB`);
      await guest.ask("spin\n");
      await pause(3_000);
      const spun = (await guest.instance.usage()).cpuMs - holding.cpuMs;
      assert(spun > 500 && spun < 4_000, `${spun} ms`);
      await guest.freeze();
      const frozen = await guest.instance.usage();
      assert(frozen.memoryBytes >= holding.memoryBytes - MIB);
      return `${mib.toFixed(1)} MiB more, ${
        spun.toFixed(0)
      } ms of 3 s, ${frozen.processes} processes`;
    },
    async "an instance that takes too much memory is ended for it, and it alone"() {
      await using neighbour = await Guest.open(host, "server");
      await using guest = await Guest.open(host, "server");
      await guest.ask("use 200\n").catch(() => {});
      const { limit, signal } = await guest.instance.record;
      assert.equal(limit, "memory");
      assert.equal(await neighbour.ask("early\n"), "early\ndone\n");
      return `signal ${signal}`;
    },
    async "gunicorn, uvicorn, Node and Go answer under load after a minute of standing still"() {
      await using all = new AsyncDisposableStack();
      const guests: [string, Guest][] = [];
      for (const [name, memoryMb] of Object.entries(SERVERS)) {
        guests.push([name, all.use(await Guest.open(host, name, memoryMb))]);
      }
      const ends = guests.map(async ([name, guest]) => `${name}: ${await endure(guest)}`);
      return (await Promise.all(ends)).join("; ");
    },
  };
}

/**
 * Programs that can call out, and want more than that: what each case of egress_cases.ts gets in a
 * sandbox, and without one. Afterwards nothing is left, in the relay or in the provider.
 */
import assert from "node:assert/strict";
import { makeEtc } from "../../sandbox/etc.ts";
import type { EgressPolicy } from "../../sandbox/egress.ts";
import type { Sandbox } from "../../sandbox/sandbox.ts";
import { eachWay, openByWay, type Way } from "../../worlds/sandbox/ways.ts";
import { findRelay, shell } from "../../worlds/sandbox/relays.ts";
import { Upstream } from "../../worlds/sandbox/upstream.ts";
import { settledLeftover, takeCensus } from "../wire/census.ts";
import { EGRESS_CASES, type EgressCase, type Places } from "./egress_cases.ts";
import { ran } from "./expect.ts";
import { buildAbuse, type Facts, readFacts } from "./program.ts";

const ROOT = Deno.uid() === 0;
const runUid = ROOT ? 1_860_000_000 : null;
const limits = { timeoutMs: 60_000, memoryMb: 256, stdoutBytes: 1 << 20, stderrBytes: 1 << 16 };
const RELAY_KIB_MAX = 4 * 1024;
/** Of those that it keeps for whoever has bytes next, SPARE_MAX in sandbox/init/flow.c. */
const SPARE_PIPE_ENDS = 16;

const POLICY: EgressPolicy = {
  hosts: ["api.test:80", "dead.test:80"],
  overrides: {},
  connections: 16,
  connectionsPerSecond: 1e6,
  bytesPerSecond: 1e12,
  connectMs: 5_000,
  idleMs: 60_000,
};

/** A server that takes no connection: its queue holds one, which is there. */
class Silent implements AsyncDisposable {
  private constructor(
    private readonly child: Deno.ChildProcess,
    private readonly one: Deno.Conn,
    readonly port: number,
  ) {}

  static async start(): Promise<Silent> {
    const script = `import socket, sys
one = socket.socket(); one.bind(("127.0.0.1", 0)); one.listen(0)
print(one.getsockname()[1], flush=True); sys.stdin.read()`;
    const child = new Deno.Command("python3", {
      args: ["-c", script],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    for await (const chunk of child.stdout.values({ preventCancel: true })) {
      const port = Number(new TextDecoder().decode(chunk));
      return new Silent(child, await Deno.connect({ port }), port);
    }
    assert.fail("it does not listen");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.one.close();
    await this.child.stdin.close();
    await this.child.stdout.cancel();
    await this.child.status;
  }
}

const urlOf = ({ attack }: EgressCase, argument: string) =>
  `http://egress/${attack}?arg=${encodeURIComponent(argument)}`;

/** One connection: afterwards the relay has all that it has between runs. */
async function callOnce(sandbox: Sandbox): Promise<void> {
  const url = `http://egress/connects?arg=${encodeURIComponent("1 api.test 80")}`;
  const live = await sandbox.run({ argv: ["main", url], env: {}, stdin: null });
  assert.match(await new Response(live.stdout()).text(), /done/);
  await live.record;
}

async function inside(sandbox: Sandbox, attack: EgressCase, places: Places): Promise<void> {
  const url = urlOf(attack, attack.argument(places));
  const live = await sandbox.run({ argv: ["main", url], env: {}, stdin: null });
  const facts = readFacts(await new Response(live.stdout()).text());
  const record = await live.record;
  ran(facts);
  attack.check(facts, record.egress!);
}

async function outside(program: string, attack: EgressCase, places: Places): Promise<Facts> {
  const { stdout } = await new Deno.Command("/bin/sh", {
    args: [
      "-c",
      'exec 9</dev/null; exec unshare -m "$0" "$1"',
      program,
      urlOf(attack, attack.argument(places)),
    ],
  }).output();
  const facts = readFacts(new TextDecoder().decode(stdout));
  ran(facts);
  return facts;
}

/** Of those that connections go out from here, the first that is not left to the machine itself. */
async function firstPort(): Promise<number> {
  const range = await shell("cat /proc/sys/net/ipv4/ip_local_port_range");
  const [first, last] = range.trim().split(/\s+/).map(Number);
  const [major, minor] = Deno.osRelease().split(".").map(Number);
  // An older kernel keeps no socket from any of them.
  return major! > 6 || (major === 6 && minor! >= 3) ? first! + Math.floor((last! - first!) / 4) : 0;
}

interface Holdings {
  /** Of pipes. */
  readonly pipeEnds: number;
  readonly otherDescriptors: number;
  /** The most memory that it ever had. */
  readonly kib: number;
}

/** What the relay holds between runs. */
async function holdingsOf(relay: number): Promise<Holdings> {
  const links = (await shell(`ls -l /proc/${relay}/fd`)).split("\n")
    .filter((line) => line.includes(" -> "));
  const pipeEnds = links.filter((line) => line.includes(" -> pipe:")).length;
  const kib = Number(await shell(`awk '/^VmHWM/ { print $2 }' /proc/${relay}/status`));
  return { pipeEnds, otherDescriptors: links.length - pipeEnds, kib };
}

async function tryCase(launcher: Way, dir: string, attack: EgressCase): Promise<void> {
  await using upstream = new Upstream();
  await using silent = await Silent.start();
  using everywhere = Deno.listen({ hostname: "0.0.0.0", port: 0 });
  using _abstract = Deno.listen({ transport: "unix", path: "\0khachapuri-egress" });
  const own =
    Deno.networkInterfaces().find(({ family, address }) =>
      family === "IPv4" && address !== "127.0.0.1"
    )?.address ?? "127.0.0.1";
  const around = { port: everywhere.addr.port, own };
  const overrides = { "api.test:80": upstream.address, "dead.test:80": `127.0.0.1:${silent.port}` };
  const host = { ...launcher, runUid, etc: `${dir}/etc` };
  const policy = { ...POLICY, ...attack.policy, overrides };
  const sandbox = await openByWay(host, {
    programDir: `${dir}/program`,
    limits: { ...limits, memoryMb: attack.memoryMb ?? limits.memoryMb },
    egress: policy,
  });
  try {
    await callOnce(sandbox);
    const relay = await findRelay();
    const before = await holdingsOf(relay);
    await inside(sandbox, attack, { ...around, listed: "api.test 80", dead: "dead.test 80" });
    const after = await holdingsOf(relay);
    assert.equal(after.otherDescriptors, before.otherDescriptors);
    assert(after.pipeEnds <= before.pipeEnds + SPARE_PIPE_ENDS, `${after.pipeEnds} ends of pipes`);
    assert(after.kib < RELAY_KIB_MAX, `the relay had ${after.kib} KiB`);
    // It learns of an end a little after the relay does.
    assert(
      upstream.accepted === 0 || upstream.lowestPort >= await firstPort(),
      "the machine's ports",
    );
    assert(upstream.most <= 2 * policy.connections, `${upstream.most} at once`);
  } finally {
    await sandbox.close();
  }
  if (ROOT && attack.outside) {
    attack.outside(
      await outside(`${dir}/program/main`, attack, {
        ...around,
        listed: `127.0.0.1 ${upstream.port}`,
        dead: `127.0.0.1 ${silent.port}`,
      }),
    );
  }
}

eachWay("a way out is no way to anything else, and is not used up", async (launcher, t) => {
  const dir = await Deno.makeTempDir();
  await Deno.chmod(dir, 0o755);
  await Deno.mkdir(`${dir}/program`, { mode: 0o755 });
  await Deno.writeFile(`${dir}/program/main`, await buildAbuse(), { mode: 0o755 });
  makeEtc(`${dir}/etc`);
  const count = () => takeCensus(Deno.pid, dir);
  const before = await count();
  for (const attack of EGRESS_CASES) {
    const fn = () => tryCase(launcher, dir, attack);
    await t.step({ name: attack.what, ignore: attack.asRoot === true && !ROOT, fn });
  }
  const slack = { descriptors: 8, processes: 0, inodes: 0, rssKib: Infinity };
  assert.equal(await settledLeftover(before, count, slack, 5_000), "");
  await Deno.remove(dir, { recursive: true });
});

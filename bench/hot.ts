/**
 * A hot call's processor time and the memory of an idle provider, against another checkout of this
 * project, in turns: `deno task bench hot --against DIR [--json]`. The processor time is that of
 * the provider, its sandbox and the program together.
 */
import { join, resolve } from "node:path";
import { startChildProvider } from "../worlds/child_provider.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { atMost, printReport, quantile, type Row } from "./report.ts";
import { buildPrograms, measureHttp } from "./sandbox_peers.ts";

const ROUNDS = 8;
const TURN_SECONDS = 2;
const CONCURRENCY = [1, 16];
/** Credits: more than the fastest machine can use up. */
const PLENTY = 5_000_000n;
/** By this much a hot call may be dearer, and an idle provider larger, than in the other tree. */
const DEARER_MOST = 1.08;
const LARGER_MOST = 1.0;

const against = optionValue("--against");
if (against === null) {
  const lines = [
    "name the checkout to compare with, set up: deno task bench hot --against DIR",
    "git worktree add ../parent COMMIT && cd ../parent && deno task setup",
  ];
  Deno.stderr.writeSync(new TextEncoder().encode(`${lines.join("\n")}\n`));
  Deno.exit(2);
}

interface Side {
  name: string;
  pid: number;
  url: string;
  idleKb: number;
  /** µs of processor a call, by concurrency, of each round. */
  costs: Map<number, number[]>;
  stop(): Promise<number>;
}

function optionValue(name: string): string | null {
  const at = Deno.args.indexOf(name);
  return at < 0 ? null : Deno.args[at + 1] ?? null;
}

async function outputOf(command: string, args: string[]): Promise<string> {
  const { stdout } = await new Deno.Command(command, { args, stdin: "null" }).output();
  return new TextDecoder().decode(stdout);
}

/**
 * User and system time so far of a process and all that it started, the ended ones too, µs; one
 * tick is 10 ms.
 */
async function processorTime(pid: number): Promise<number> {
  const text = await outputOf("sh", ["-c", "cat /proc/[0-9]*/stat 2>/dev/null"]);
  const all = text.trim().split("\n").map((line) => {
    const [, own, rest] = /^(\d+) \(.*\) (.*)$/.exec(line)!;
    const fields = rest!.split(" ").map(Number);
    const ticks = fields.slice(11, 15).reduce((sum, each) => sum + each, 0);
    return { pid: Number(own), parent: fields[1]!, ticks };
  });
  const tree = new Set([pid]);
  // Children have higher numbers than their parents, but where the numbers began anew.
  for (const _ of [1, 2, 3, 4]) {
    for (const each of all) if (tree.has(each.parent)) tree.add(each.pid);
  }
  return all.reduce((sum, each) => sum + (tree.has(each.pid) ? each.ticks : 0), 0) * 10_000;
}

async function residentKb(pid: number): Promise<number> {
  const status = await outputOf("cat", [`/proc/${pid}/status`]);
  return Number(/VmRSS:\s+(\d+)/.exec(status)![1]);
}

/** A provider from the sources in `root`, on a copy of the market's home. */
async function openSide(name: string, root: string, market: Market, cid: string): Promise<Side> {
  const home = join(market.home, `../${name}-${crypto.randomUUID()}`);
  await outputOf("cp", ["-a", market.home, home]);
  const child = await startChildProvider(home, { logLevel: "info", root });
  const url = await child.url;
  if (url === null) throw new Error(`${name} does not start: see ${home}/provider.log`);
  const answer = await (await fetch(`${url}/${cid}`)).text();
  if (answer !== "hello\n") throw new Error(`${name} answers ${JSON.stringify(answer)}`);
  return {
    name,
    pid: child.pid,
    url: `${url}/${cid}`,
    idleKb: await residentKb(child.pid),
    costs: new Map(CONCURRENCY.map((connections) => [connections, []])),
    async stop() {
      const code = await child.stop();
      await Deno.remove(home, { recursive: true });
      return code;
    },
  };
}

async function turn(side: Side, connections: number, isCounted: boolean): Promise<void> {
  const before = await processorTime(side.pid);
  const { perSecond } = await measureHttp(side.url, connections, TURN_SECONDS);
  const used = await processorTime(side.pid) - before;
  if (isCounted) side.costs.get(connections)!.push(used / (perSecond * TURN_SECONDS));
}

async function deployHello(market: Market): Promise<string> {
  const { hello } = await buildPrograms(market.home);
  const limits = {
    timeoutMs: 5_000,
    memoryMb: 64,
    concurrency: 64,
    ownerCreditsPerMinute: 1_000_000,
  };
  const spec = await market.spec({
    files: { main: await Deno.readFile(hello) },
    fields: { interface: "cgi", limits },
  });
  return await market.publishSpec(spec);
}

const settlement = { mode: "batch", intervalSeconds: 360, amount: "1000000000000" };
await using market = await startMarket({ credits: PLENTY, settings: { settlement } });
const cid = await deployHello(market);
await market.provider.stop();
const sides = [
  await openSide("this", resolve(import.meta.dirname!, ".."), market, cid),
  await openSide("other", resolve(against), market, cid),
];
for (let round = -1; round < ROUNDS; round++) {
  for (const connections of CONCURRENCY) {
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      await turn(side, connections, round >= 0);
    }
  }
}
const [own, other] = sides as [Side, Side];
const median = (side: Side, connections: number) => quantile(side.costs.get(connections)!, 0.5);
const rows: Row[] = sides.map((side) => ({
  tree: side.name,
  ...Object.fromEntries(CONCURRENCY.map((each) => [`c=${each}, µs a call`, median(side, each)])),
  "idle RSS, KiB": side.idleKb,
}));
const ratio = (connections: number) => median(own, connections) / median(other, connections);
for (const side of sides) await side.stop();
printReport({
  rows,
  must: [
    atMost("a hot call's processor time, c=16", ratio(16), "of the other tree's", DEARER_MOST),
    atMost("a hot call's processor time, c=1", ratio(1), "of the other tree's", DEARER_MOST),
    atMost("idle RSS", own.idleKb / other.idleKb, "of the other tree's", LARGER_MOST),
  ],
});

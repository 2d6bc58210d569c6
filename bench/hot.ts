/**
 * A hot call's processor time and the memory of an idle provider, against an earlier commit of this
 * project, in turns: `deno task bench hot --against=COMMIT [--json]`. The processor time is that of
 * the provider, its sandbox and the program together.
 */
import { pause } from "../lib/pause.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import {
  type Checkout,
  checkOut,
  HERE,
  otherCommit,
  outputOf,
  serveCopy,
  type ServedCopy,
} from "./checkout.ts";
import { processorTime } from "./processor_time.ts";
import { atMost, printReport, quantile, type Row } from "./report.ts";
import { buildPrograms, measureHttp } from "./sandbox_peers.ts";

/** Processes of each checkout: no two of the same cost the same. */
const STARTS = 5;
/** Of each of them. */
const ROUNDS = 3;
const IDLE_MS = 2_000;
const TURN_SECONDS = 2;
const CONCURRENCY = [1, 16];
/** Credits: more than the fastest machine can use up. */
const PLENTY = 5_000_000n;
/** By this much a hot call may be dearer, and an idle provider larger, than in the other tree. */
const DEARER_MOST = 1.08;
const LARGER_MOST = 1.0;

const against = otherCommit();
if (against === null) {
  const text = "name the commit to compare with: deno task bench hot --against=COMMIT\n";
  Deno.stderr.writeSync(new TextEncoder().encode(text));
  Deno.exit(2);
}

async function residentKb(pid: number): Promise<number> {
  const status = await outputOf("cat", [`/proc/${pid}/status`]);
  return Number(/VmRSS:\s+(\d+)/.exec(status)![1]);
}

/** A checkout's provider, on a copy of the market's home, once it has answered a call. */
async function openSide(checkout: Checkout, market: Market, cid: string): Promise<ServedCopy> {
  const served = await serveCopy(checkout, market.home);
  const url = `${served.url}/${cid}`;
  const answer = await (await fetch(url)).text();
  if (answer !== "hello\n") throw new Error(`${served.name} answers ${JSON.stringify(answer)}`);
  return { ...served, url };
}

/** µs of processor that a call takes at so many connections. */
async function turn(side: ServedCopy, connections: number): Promise<number> {
  const before = await processorTime(side.pid);
  const { perSecond } = await measureHttp(side.url, connections, TURN_SECONDS);
  return (await processorTime(side.pid) - before) / (perSecond * TURN_SECONDS);
}

/** By checkout and connections, what calls cost in each turn, µs of processor. */
type Costs = Map<string, Map<number, number[]>>;

/** Adds the costs of calls to a fresh process of each checkout, in turns. */
async function measure(
  checkouts: readonly Checkout[],
  market: Market,
  cid: string,
  costs: Costs,
): Promise<void> {
  const sides = await Promise.all(checkouts.map((each) => openSide(each, market, cid)));
  for (let round = -1; round < ROUNDS; round++) {
    for (const connections of CONCURRENCY) {
      for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
        const cost = await turn(side, connections);
        // The first round warms up.
        if (round >= 0) costs.get(side.name)!.get(connections)!.push(cost);
      }
    }
  }
  for (const side of sides) await side.stop();
}

/** KiB of each checkout's provider that has answered one call: medians, taken in turns. */
async function idleMemory(
  checkouts: readonly Checkout[],
  market: Market,
  cid: string,
): Promise<Map<string, number>> {
  const seen = new Map(checkouts.map(({ name }): [string, number[]] => [name, []]));
  for (let start = 0; start < STARTS; start++) {
    for (const checkout of checkouts) {
      const side = await openSide(checkout, market, cid);
      await pause(IDLE_MS);
      seen.get(side.name)!.push(await residentKb(side.pid));
      await side.stop();
    }
  }
  return new Map([...seen].map(([name, kb]) => [name, quantile(kb, 0.5)]));
}

async function deployHello(market: Market): Promise<string> {
  const { hello } = await buildPrograms(market.home);
  const limits = {
    timeoutMs: 5_000,
    memoryMb: 64,
    concurrency: 64,
    ownerCreditsPerMinute: 1_000_000,
  };
  const files = { main: await Deno.readFile(hello) };
  return await market.deploy({ files, fields: { interface: "cgi", limits } });
}

const settlement = { mode: "batch", intervalSeconds: 360, amount: "1000000000000" };
await using market = await startMarket({ credits: PLENTY, settings: { settlement } });
const cid = await deployHello(market);
await market.provider.stop();
const dir = await Deno.makeTempDir();
const checkouts = [HERE, await checkOut(against, dir)];
const idle = await idleMemory(checkouts, market, cid);
const costs: Costs = new Map(checkouts.map(({ name }) => [
  name,
  new Map(CONCURRENCY.map((connections) => [connections, []])),
]));
for (let start = 0; start < STARTS; start++) await measure(checkouts, market, cid, costs);
const [own, other] = checkouts as [Checkout, Checkout];
const median = ({ name }: Checkout, connections: number) =>
  quantile(costs.get(name)!.get(connections)!, 0.5);
const rows: Row[] = checkouts.map((tree) => ({
  tree: tree.name,
  ...Object.fromEntries(CONCURRENCY.map((each) => [`c=${each}, µs a call`, median(tree, each)])),
  "idle RSS, KiB": idle.get(tree.name)!,
}));
const ratio = (connections: number) => median(own, connections) / median(other, connections);
await Deno.remove(dir, { recursive: true });
printReport({
  rows,
  must: [
    atMost("a hot call's processor time, c=16", ratio(16), "of the other tree's", DEARER_MOST),
    atMost("a hot call's processor time, c=1", ratio(1), "of the other tree's", DEARER_MOST),
    atMost(
      "idle RSS",
      idle.get(own.name)! / idle.get(other.name)!,
      "of the other tree's",
      LARGER_MOST,
    ),
  ],
});

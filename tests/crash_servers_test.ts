/**
 * The real provider, killed at random instants while its deployments are servers: with requests,
 * streams and tunnels of several credits under way, and instances that stand still. The books hold
 * as they do for runs (crash_test.ts), and the next start finds nothing of the last one.
 *
 * `deno task test:crash` kills often; among the other tests it is a short run. A run is repeated
 * with the seed that it prints.
 */
import assert from "node:assert/strict";
import type { Hex } from "viem";
import { pause } from "../lib/pause.ts";
import { deploymentLane } from "../lib/permit.ts";
import {
  assertConserved,
  assertEarned,
  audit,
  type Callee,
  type CallerLane,
  callerLane,
  callOnce,
  countReceipts,
  type LongCallee,
  refusals,
  startCallers,
} from "../worlds/callers.ts";
import { assertNothingLeft, programMarker, whatThereIs } from "../worlds/left_of_provider.ts";
import { type LifeWatch, type Lives, livesOf } from "../worlds/lives.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { type Random, seededRandom } from "../worlds/random.ts";
import { tunnelOnce } from "../worlds/tunnel_call.ts";

const ANSWER = "hello\n";
const CREDIT_MS = 500;
const QUERIES = ["0.05", "0.6", "1.2", "1.7"];
const TUNNELS_MS = [100, 700, 1_300, 2_200];
const KILLS = Math.ceil(Number(Deno.env.get("KHACHAPURI_KILLS") ?? 20) * 0.3);
const CALLERS = 5;
const TUNNELS = 3;
const SETTLEMENT = { mode: "batch", intervalSeconds: 1, pollMs: 100, amount: "40000" };

interface Stage {
  marker: string;
  /** The lanes of callers. */
  lanes: CallerLane[];
  /** Calls of one credit, to an instance that is kept. */
  short: Callee;
  /** Streams and tunnels. */
  long: LongCallee;
  /** Called once in each life: its instance stands still until the end. */
  quiet: Callee & { lane: CallerLane };
}

async function openStage(market: Market): Promise<Stage> {
  const { owner, payer } = market.accounts;
  const marker = programMarker();
  const program = await Deno.readTextFile(
    new URL("../worlds/lasting_server.py", import.meta.url),
  );
  const deploy = async (timeoutMs: number, credits = 1) => {
    const spec = await market.spec({
      files: { main: program },
      fields: {
        interface: "http",
        server: { instances: 2 },
        limits: {
          timeoutMs,
          memoryMb: 128,
          concurrency: 16,
          ownerCreditsPerMinute: 10_000,
          credits,
        },
      },
    });
    spec.program.args.push(marker);
    const own = callerLane(owner.address, deploymentLane(spec.id), {});
    return { cid: await market.publishSpec(spec), answer: ANSWER, own };
  };
  const lanes: CallerLane[] = [];
  for (const digits of [31, 32, 33]) {
    const lane: Hex = `0x${String(digits).repeat(32)}`;
    const headers = await market.pay(payer, { lane, credits: 1_000_000n });
    lanes.push(callerLane(payer.address, lane, headers));
  }
  const { own, ...long } = await deploy(CREDIT_MS, 20);
  const quiet = await deploy(5_000);
  return {
    marker,
    lanes,
    short: await deploy(5_000),
    long: { ...long, creditMs: CREDIT_MS, queries: QUERIES, lanes: [own, ...lanes] },
    quiet: { ...quiet, lane: quiet.own },
  };
}

/** How many instances stand still. */
async function countFrozen(url: string): Promise<number> {
  const response = await fetch(`${url.replace("127.0.0.1", "localhost")}/metrics`);
  const found = /^khachapuri_instances\{state="frozen"\} (\d+)$/m.exec(await response.text());
  return Number(found?.[1] ?? 0);
}

/** What the killed provider had, and that the next one finds nothing of it. */
function watchLives(home: string, { marker, quiet }: Stage) {
  const seen = { programs: 0, supervisors: 0, sockets: 0, frozen: 0 };
  const calls: Promise<void>[] = [];
  const watch: LifeWatch = {
    async dying(url) {
      const there = await whatThereIs({ home, marker });
      for (const kind of ["programs", "supervisors", "sockets"] as const) seen[kind] += there[kind];
      if (url !== null) seen.frozen += await countFrozen(url);
    },
    async born(url, killed) {
      if (killed) await assertNothingLeft({ home, marker }, killed.pid);
      calls.push(callOnce(url, quiet, quiet.lane));
    },
  };
  return { seen, watch, ended: () => Promise.all(calls) };
}

/** Nobody kills the provider meanwhile: whatever else was answered, these took several credits. */
async function callLong(url: string, { long, lanes }: Stage): Promise<void> {
  const { cid, creditMs } = long;
  await Promise.all(lanes.flatMap((lane) => [
    callOnce(url, long, lane, { creditMs, query: `?${QUERIES.at(-1)}` }),
    tunnelOnce(url, { cid, creditMs, lane, usedMs: TUNNELS_MS.at(-1)! }),
  ]));
}

/** Tunnels, one after the other on each of some connections. @returns stops them */
function startTunnels({ long }: Stage, lives: Lives, random: Random): () => Promise<unknown> {
  let isStopped = false;
  async function loop(): Promise<void> {
    for (let url; (url = await lives.url()) !== null && !isStopped;) {
      const { cid, creditMs } = long;
      const lane = random.pick(long.lanes);
      await tunnelOnce(url, { cid, creditMs, lane, usedMs: random.pick(TUNNELS_MS) });
      await pause(10);
    }
  }
  const loops = Array.from({ length: TUNNELS }, loop);
  return () => {
    isStopped = true;
    return Promise.all(loops);
  };
}

/** Runs that a slow machine ended, as their next credit was not taken in time. */
async function countLate({ home }: Market): Promise<number> {
  const lines = (await Deno.readTextFile(`${home}/provider.log`)).split("\n");
  return lines.filter((line) => line.includes('"limit":"timeout"')).length;
}

Deno.test("kill -9 loses and doubles nothing of servers, and leaves nothing of them", async () => {
  const random = seededRandom("crash, servers");
  await using market = await startMarket({
    credits: 10_000n,
    settings: { settlement: SETTLEMENT },
  });
  const stage = await openStage(market);
  const { lanes: own, long, quiet, short } = stage;
  const lanes = [...new Set([...long.lanes, quiet.lane])];
  await market.provider.stop();
  const answered = () => lanes.reduce((sum, lane) => sum + lane.answered, 0);
  const { seen, watch, ended } = watchLives(market.home, stage);
  await using lives = livesOf({ home: market.home, random, answered, ...watch });
  const calls = { ...short, long, lanes: own, concurrency: CALLERS, random, url: lives.url };
  const callers = startCallers(calls);
  const stopTunnels = startTunnels(stage, lives, random);
  let url: string | null = null;
  try {
    await lives.killOften(KILLS);
    url = await lives.url();
  } finally {
    lives.end();
    await Promise.all([callers.stop(), stopTunnels()]);
  }
  await ended();
  await callLong(url!, stage);
  const receipts = lanes.reduce((sum, lane) => sum + lane.receipts.length, 0);
  const credits = await countReceipts(url!, lanes);
  await lives.stop();
  const late = await countLate(market);
  const total = await audit(market, lanes);
  const runs = { late, receipts, credits };
  const report = { kills: KILLS, ...total, ...runs, ...seen, refused: refusals(lanes) };
  Deno.stderr.writeSync(new TextEncoder().encode(`servers: ${JSON.stringify(report)}\n`));
  assert.ok(credits > receipts, "no answer took a further credit");
  assert.ok(total.answered >= KILLS, "too few calls to prove anything");
  for (const [what, count] of Object.entries(seen)) assert.ok(count > 0, `no ${what} to be left`);
  const inFlight = KILLS * (CALLERS + TUNNELS + 1);
  assert.ok(total.lost <= inFlight + late, "more lost than were ever in flight");
  assert.equal(total.charged, total.consumed);
  await assertConserved(market, lanes.map(({ payer }) => payer));
  await assertEarned(market, total);
});

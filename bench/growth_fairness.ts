/**
 * What is left to an owner with one caller, who asks again a moment after each answer, while
 * another owner's callers flood the provider: part of its calls that are served. And what the
 * smaller of two owners gets who both want more than half.
 */
import { pause } from "../lib/pause.ts";
import type { Curve, Point } from "./exponent.ts";
import { load, type LoadFound, type Politely, politely } from "./growth_load.ts";
import type { Deployed } from "../worlds/crowd_programs.ts";
import type { Budget, Growth, GrowthWorld, Served } from "./growth_world.ts";
import { atLeast, type Must } from "./report.ts";

interface Flood {
  readonly name: string;
  readonly connections: number;
  /** Of each of its runs, ms. */
  readonly sleepMs: number;
}

const FLOODS: readonly Flood[] = [
  { name: "32 hellos", connections: 32, sleepMs: 0 },
  { name: "64 hellos", connections: 64, sleepMs: 0 },
  { name: "128 hellos", connections: 128, sleepMs: 0 },
  { name: "48 runs of 1 s", connections: 48, sleepMs: 1_000 },
  { name: "64 runs of 1 s", connections: 64, sleepMs: 1_000 },
  { name: "64 runs of 10 s", connections: 64, sleepMs: 10_000 },
];
const SECONDS = 4;
/** Until a flood has taken all that it gets. */
const AHEAD_MS = 700;
/** Of the polite caller between two calls. */
const REST_MS = 20;
const SERVED_LEAST = 0.95;
/** Deployments of the owner that floods: one alone has no more than 64 callers. */
const FLOODERS = 4;
const HALF_SECONDS = 6;
/** Callers of the two owners who both want more than half of it, in runs of a second. */
const [LARGER, SMALLER] = [256, 64];
const HALF_LEAST = 0.85;

export async function measureFairness(world: GrowthWorld, budget: Budget): Promise<Growth> {
  const [flooder, polite] = world.owners as [typeof world.owners[0], typeof world.owners[0]];
  const floods = await world.deploy({ count: FLOODERS, tag: "flood", owners: [flooder] });
  const own = await world.deploy({ count: FLOODERS, tag: "polite", owners: [polite] });
  const curves: Curve[] = [];
  const must: Must[] = [];
  await using served = await world.serve();
  await warm(served.url, [...floods, ...own]);
  for (const flood of FLOODS) {
    if (budget.left() === 0) break;
    await untilQuiet(served);
    const alone = await politely(`${served.url}/${own[0]!.cid}`, SECONDS / 2, REST_MS);
    const { share, p50Ms } = await during(served.url, floods, flood, own[0]!);
    const curve = `flood of ${flood.name}`;
    const point = (value: number): Point[] => [[flood.connections, value]];
    curves.push(
      { curve, what: "polite calls served", unit: "of all", points: point(share) },
      { curve, what: "their p50, of that alone", unit: "", points: point(p50Ms / alone.p50Ms) },
    );
    must.push(atLeast(`polite calls served, ${curve}`, share, "of all", SERVED_LEAST));
  }
  await untilQuiet(served);
  must.push(await measureHalves(served.url, floods, own));
  return { curves, must };
}

/** Runs whose callers have left are over. */
async function untilQuiet(served: Served): Promise<void> {
  while (await served.metric("khachapuri_runs_busy") > 0) await pause(AHEAD_MS);
}

async function warm(url: string, some: readonly Deployed[]): Promise<void> {
  for (const { cid } of some) await (await fetch(`${url}/${cid}`)).text();
}

function flooding(
  url: string,
  some: readonly Deployed[],
  { connections, sleepMs }: Flood,
  seconds: number,
): Promise<LoadFound> {
  const query = sleepMs === 0 ? "" : `?sleep=${sleepMs}`;
  const paths = some.map(({ cid }) => `/${cid}${query}`);
  return load({ url, paths, connections, seconds });
}

async function during(
  url: string,
  floods: readonly Deployed[],
  flood: Flood,
  { cid }: Deployed,
): Promise<Politely> {
  const flooded = flooding(url, floods, flood, SECONDS + 2);
  await pause(AHEAD_MS);
  const served = await politely(`${url}/${cid}`, SECONDS, REST_MS);
  await flooded;
  return served;
}

/**
 * A run takes a second: answers a second are the runs that go on at a time. Half of all of them is
 * the smaller owner's, or what it wants where that is less.
 */
async function measureHalves(
  url: string,
  floods: readonly Deployed[],
  own: readonly Deployed[],
): Promise<Must> {
  const run = (some: readonly Deployed[], connections: number) =>
    flooding(url, some, { name: "", connections, sleepMs: 1_000 }, HALF_SECONDS);
  const larger = run(floods, LARGER);
  await pause(AHEAD_MS);
  const [{ perSecond: most }, { perSecond: less }] = await Promise.all([
    larger,
    run(own, SMALLER),
  ]);
  const fair = Math.min(SMALLER, (most + less) / 2);
  const share = less / fair;
  return atLeast("of two owners who want all slots, the smaller", share, "of its half", HALF_LEAST);
}

/**
 * Many deployments called at once that nobody has called before: how many are answered within five
 * seconds, how much memory that takes, and how long others wait meanwhile for a word of the
 * provider's own, against a bare server on the same machine that is asked in turns with it.
 */
import { growthDuring } from "../worlds/processes.ts";
import type { Curve, Point } from "./exponent.ts";
import type { Deployed } from "../worlds/crowd_programs.ts";
import type { Budget, Growth, GrowthWorld, Served } from "./growth_world.ts";
import { atLeast, atMost, type Must } from "./report.ts";
import { type Side, startSide } from "./wire_process.ts";

/** Programs of some kilobytes, one of each owner. */
const STORMS = [1, 10, 33, 100];
const MOST = STORMS.at(-1)!;
/** Large ones at once, and the size of their zips, which nothing makes smaller. */
const [LARGE, LARGE_BYTES] = [12, 40_000_000];
const WITHIN_MS = 5_000;
/** A large one is not waited for any longer. */
const LARGE_MS_MOST = 60_000;
const ANSWERED_LEAST = 0.95;
const RSS_MB_MOST = 500;
const STALL_MS_MOST = 50;

interface Found {
  /** Of all, within five seconds. */
  readonly answered: number;
  readonly rssMb: number;
  readonly longestMs: number;
  /** Of the bare server at the same time. */
  readonly bareMs: number;
}

export async function measureStorms(world: GrowthWorld, budget: Budget): Promise<Growth> {
  await using bare = await startSide("node:http");
  const found = new Map<number, Found>();
  for (const count of STORMS) {
    if (budget.left() === 0) break;
    const storm = await world.deploy({ count, tag: `storm of ${count}` });
    found.set(count, await measureStorm(world, bare, storm, WITHIN_MS));
  }
  const large = budget.left() === 0 ? null : await measureStorm(
    world,
    bare,
    await world.deploy({ count: LARGE, tag: "large", ballastBytes: LARGE_BYTES }),
    LARGE_MS_MOST,
  );
  const curve = (what: string, unit: string, of: (found: Found) => number): Curve[] => [
    {
      curve: "storm of cids",
      what,
      unit,
      points: [...found].map(([count, one]): Point => [count, of(one)]),
    },
    {
      curve: "storm of 40 MB",
      what,
      unit,
      points: large ? [[LARGE, of(large)]] : [],
    },
  ];
  return {
    curves: [
      ...curve("answered in 5 s", "of all", ({ answered }) => answered),
      ...curve("RSS, more", "MB", ({ rssMb }) => rssMb),
      ...curve("longest wait of others", "ms", ({ longestMs }) => longestMs),
      ...curve("the same at a bare server", "ms", ({ bareMs }) => bareMs),
    ],
    must: [
      ...mustOf("100 cids at once", found.get(MOST)),
      ...mustOf("12 of 40 MB", large).slice(1),
    ],
  };
}

function mustOf(what: string, found: Found | null | undefined): Must[] {
  const { answered = 0, rssMb = Infinity, longestMs = Infinity, bareMs = 0 } = found ?? {};
  const stall = Math.max(0, longestMs - bareMs);
  return [
    atLeast(`${what}, answered in 5 s`, answered, "of all", ANSWERED_LEAST),
    atMost(`${what}, RSS`, rssMb, "MB more", RSS_MB_MOST),
    atMost(
      `${what}, longest wait of others`,
      stall,
      "ms more than at a bare server",
      STALL_MS_MOST,
    ),
  ];
}

/** @param ms how long answers are waited for */
async function measureStorm(
  world: GrowthWorld,
  bare: Side,
  storm: readonly Deployed[],
  ms: number,
): Promise<Found> {
  await using served = await world.serve();
  await fetch(`${served.url}/healthz`).then((response) => response.text());
  let answered = 0;
  let watched = [0, 0];
  const grown = await growthDuring(served.pid, async () => {
    const watching = watchWaits([`${served.url}/terms`, bare.url]);
    answered = await callAll(served, storm, ms);
    watched = await watching.end();
  });
  const [longestMs, bareMs] = watched as [number, number];
  return { answered: answered / storm.length, rssMb: grown / 1e6, longestMs, bareMs };
}

/** @returns how many were answered by a 200 within five seconds */
async function callAll(
  { url }: Served,
  storm: readonly Deployed[],
  ms: number,
): Promise<number> {
  const signal = AbortSignal.timeout(ms);
  const begunAt = performance.now();
  const all = storm.map(async ({ cid }) => {
    const response = await fetch(`${url}/${cid}`, { signal });
    await response.text();
    return response.status === 200 && performance.now() - begunAt <= WITHIN_MS;
  });
  const settled = await Promise.allSettled(all);
  return settled.filter((one) => one.status === "fulfilled" && one.value).length;
}

/** bench/wait_watch.ts in a process of its own. */
function watchWaits(urls: readonly string[]): { end(): Promise<number[]> } {
  const program = new URL("wait_watch.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-net", "--no-check", program, ...urls],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  return {
    async end() {
      await child.stdin.close();
      const { stdout } = await child.output();
      return JSON.parse(new TextDecoder().decode(stdout));
    },
  };
}

/**
 * Deployments of a hundred owners, called in turn: how many answers a second, and what the provider
 * holds. And how long a call waits whose program is unpacked and has no sandbox, against the same
 * program in a plain bubblewrap from a shell.
 */
import { SPARES_MAX } from "../lib/limits_of_sandboxes.ts";
import { pause } from "../lib/pause.ts";
import { residentMemory } from "../worlds/processes.ts";
import { outputOf } from "./checkout.ts";
import type { Curve, Point } from "./exponent.ts";
import { load } from "./growth_load.ts";
import type { Deployed } from "../worlds/crowd_programs.ts";
import type { Budget, Growth, GrowthWorld, Served } from "./growth_world.ts";
import { atLeast, atMost, median, type Must } from "./report.ts";
import { measureShellBwrap } from "./sandbox_peers.ts";

const CONNECTIONS = 4;
const SIZES = [1, 16, 256, 257, 1_000] as const;
const MOST = Math.max(...SIZES);
const SECONDS = 6;
/** Of the first lap, in which each is looked up, fetched and unpacked. */
const FIRST_SECONDS_MOST = 60;
/** How many of them are opened at once the first time. */
const AT_ONCE = 8;
const COLD_RUNS = 16;
/** From a call that took a spare until the next one has started. */
const SPARE_MS = 300;
/** So many times it is waited for. */
const SPARE_LOOKS_MOST = 20;
/** The 10 ms that a quiet machine may take, of the 6 ms that bubblewrap takes there. */
const COLD_MOST = 1.7;

interface Figures {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly rssMb: number;
  readonly descriptors: number;
  readonly sandboxes: number;
  readonly starts: number;
}

export async function measureDeployments(world: GrowthWorld, budget: Budget): Promise<Growth> {
  const all = await world.deploy({ count: MOST, tag: "in turn" });
  const found = await measureInTurn(world, all, budget);
  const cold = await measureCold(world, all.slice(0, 2));
  const curve = (what: string, unit: string, of: (figures: Figures) => number): Curve => ({
    curve: "deployments",
    what,
    unit,
    points: [...found].map(([count, figures]): Point => [count, of(figures)]),
  });
  return {
    curves: [
      curve("calls a second, c=4", "1/s", ({ perSecond }) => perSecond),
      curve("p50", "ms", ({ p50Ms }) => p50Ms),
      curve("RSS", "MB", ({ rssMb }) => rssMb),
      curve("descriptors", "", ({ descriptors }) => descriptors),
      curve("sandboxes", "", ({ sandboxes }) => sandboxes),
      curve("sandboxes started a call", "", ({ starts }) => starts),
      { curve: "cold, unpacked", what: "p50", unit: "ms", points: [[1, cold.ours]] },
      { curve: "cold, unpacked", what: "bubblewrap, p50", unit: "ms", points: [[1, cold.bwrap]] },
    ],
    must: [inTurnMust(found), atMost("cold, unpacked", cold.ratio, "of bubblewrap's", COLD_MOST)],
  };
}

/** More and more of them at one provider, for each count that there is time for. */
async function measureInTurn(
  world: GrowthWorld,
  all: readonly Deployed[],
  budget: Budget,
): Promise<Map<number, Figures>> {
  await using served = await world.serve();
  const found = new Map<number, Figures>();
  let opened = 0;
  for (const count of SIZES) {
    if (budget.left() === 0) break;
    await openAll(served, all.slice(opened, count), budget);
    opened = count;
    found.set(count, await inTurn(served, all.slice(0, count)));
  }
  return found;
}

function inTurnMust(found: ReadonlyMap<number, Figures>): Must {
  const ratio = (found.get(MOST)?.perSecond ?? 0) / (found.get(256)?.perSecond ?? Infinity);
  return atLeast("1,000 deployments in turn", ratio, "of the rate of 256", 0.5);
}

/** Each is called once, for the first time. */
async function openAll({ url }: Served, some: readonly Deployed[], budget: Budget): Promise<void> {
  const until = performance.now() + 1_000 * Math.min(FIRST_SECONDS_MOST, budget.left());
  const left = some.values();
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (const { cid } of left) {
      if (performance.now() > until) return;
      while (!await isAnswered(`${url}/${cid}`)) await pause(200);
    }
  }));
}

async function isAnswered(url: string): Promise<boolean> {
  const response = await fetch(url);
  await response.body?.cancel();
  return response.status === 200;
}

async function inTurn(served: Served, some: readonly Deployed[]): Promise<Figures> {
  const { url, pid } = served;
  const startsBefore = await served.metric("khachapuri_sandbox_starts_total");
  const paths = some.map(({ cid }) => `/${cid}`);
  const { perSecond, p50Ms, statuses } = await load({
    url,
    paths,
    connections: CONNECTIONS,
    seconds: SECONDS,
  });
  const starts = await served.metric("khachapuri_sandbox_starts_total") - startsBefore;
  return {
    perSecond,
    p50Ms,
    rssMb: (await residentMemory(pid)).bytes / 1e6,
    descriptors: Number(await outputOf("sh", ["-c", `ls /proc/${pid}/fd | wc -l`])),
    sandboxes: await served.metric("khachapuri_sandboxes_open"),
    starts: starts / (statuses[200] ?? 1),
  };
}

/**
 * A call and a plain bubblewrap in turns. One sandbox has room beside the spares: the call of one
 * deployment takes a spare, and ends the sandbox of the other one, whose program stays unpacked.
 */
async function measureCold(
  world: GrowthWorld,
  pair: readonly Deployed[],
): Promise<{ ours: number; bwrap: number; ratio: number }> {
  const [ours, bwrap]: [number[], number[]] = [[], []];
  await using served = await world.serve({ open: 1 + SPARES_MAX });
  const startsOf = () => served.metric("khachapuri_sandbox_starts_total");
  for (const { cid } of pair) await timeOf(`${served.url}/${cid}`);
  // Programs of a stranger's uid may have no way into the folder that it was built in.
  const copy = await Deno.makeTempFile({ dir: "/tmp" });
  try {
    await Deno.copyFile(world.program, copy);
    await Deno.chmod(copy, 0o755);
    const before = await startsOf();
    for (let run = 0; run < COLD_RUNS; run++) {
      await untilSpare(served);
      ours.push(await timeOf(`${served.url}/${pair[run % pair.length]!.cid}`));
      bwrap.push((await measureShellBwrap(copy, 1)).p50Ms);
    }
    const starts = await startsOf() - before;
    if (starts !== COLD_RUNS) throw new Error(`${COLD_RUNS} cold calls, ${starts} sandboxes`);
  } finally {
    await Deno.remove(copy);
  }
  return { ours: median(ours), bwrap: median(bwrap), ratio: median(ours) / median(bwrap) };
}

/** What the last call ended is gone, and what it took is there again. */
async function untilSpare(served: Served): Promise<void> {
  for (let look = 0; look < SPARE_LOOKS_MOST; look++) {
    await pause(SPARE_MS);
    if (await served.metric("khachapuri_sandboxes_spare") > 0) return;
  }
  throw new Error("no spare sandbox stands ready");
}

/** Of a call that is answered, ms. */
async function timeOf(url: string): Promise<number> {
  const startedAt = performance.now();
  const response = await fetch(url);
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${url}: ${response.status} ${text}`);
  return performance.now() - startedAt;
}

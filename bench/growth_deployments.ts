/**
 * Deployments of a hundred owners, called in turn: how many answers a second, and what the provider
 * holds. And how long a call waits whose program is unpacked and has no sandbox, against the same
 * program in a plain bubblewrap from a shell.
 */
import { pause } from "../lib/pause.ts";
import { childrenOf, residentMemory } from "../worlds/processes.ts";
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
/** From the end of a sandbox until what is kept ready in its place is there again. */
const SPARE_MS = 300;
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
  await using served = await world.serve();
  const found = new Map<number, Figures>();
  let opened = 0;
  for (const count of SIZES) {
    if (budget.left() === 0) break;
    await openAll(served, all.slice(opened, count), budget);
    opened = count;
    found.set(count, await inTurn(served, all.slice(0, count)));
  }
  const cold = await measureCold(world, served, all[0]!);
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

/** A call and a plain bubblewrap in turns; all sandboxes are ended before each call. */
async function measureCold(
  { program }: GrowthWorld,
  { url, pid }: Served,
  { cid }: Deployed,
): Promise<{ ours: number; bwrap: number; ratio: number }> {
  const [ours, bwrap]: [number[], number[]] = [[], []];
  // Programs of a stranger's uid may have no way into the folder that it was built in.
  const copy = await Deno.makeTempFile({ dir: "/tmp" });
  await Deno.copyFile(program, copy);
  await Deno.chmod(copy, 0o755);
  for (let run = 0; run < COLD_RUNS; run++) {
    for (const supervisor of await childrenOf(pid)) endIfThere(supervisor);
    await pause(SPARE_MS);
    const startedAt = performance.now();
    if (!await isAnswered(`${url}/${cid}`)) throw new Error("a cold call was refused");
    ours.push(performance.now() - startedAt);
    bwrap.push((await measureShellBwrap(copy, 1)).p50Ms);
  }
  await Deno.remove(copy);
  return { ours: median(ours), bwrap: median(bwrap), ratio: median(ours) / median(bwrap) };
}

/** A spare may have been taken and ended since it was listed. */
function endIfThere(pid: number): void {
  try {
    Deno.kill(pid, "SIGTERM");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

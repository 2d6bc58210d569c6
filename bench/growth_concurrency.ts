/** More and more callers who call again at once, whatever they were answered. */
import type { Curve, Point } from "./exponent.ts";
import { load } from "./growth_load.ts";
import type { Budget, Growth, GrowthWorld } from "./growth_world.ts";
import { atLeast, type Must } from "./report.ts";

const CONNECTIONS = [1, 4, 16, 64, 256, 1_024];
const SECONDS = 4;
const WARM_SECONDS = 2;
const KEPT_LEAST = 0.8;

export async function measureConcurrency(world: GrowthWorld, budget: Budget): Promise<Growth> {
  const all = await world.deploy({ count: 16, tag: "at once" });
  const curves: Curve[] = [];
  const must: Must[] = [];
  for (const count of [1, 16]) {
    await using served = await world.serve();
    const { url } = served;
    const paths = all.slice(0, count).map(({ cid }) => `/${cid}`);
    await load({ url, paths, connections: 4, seconds: WARM_SECONDS });
    const [rate, refused, p99]: [Point[], Point[], Point[]] = [[], [], []];
    for (const connections of CONNECTIONS) {
      if (budget.left() === 0) break;
      const found = await load({ url, paths, connections, seconds: SECONDS });
      rate.push([connections, found.perSecond]);
      refused.push([connections, 1 - found.share]);
      p99.push([connections, found.p99Ms]);
    }
    const of = `${count} deployment${count === 1 ? "" : "s"}`;
    const curve = "concurrency";
    curves.push(
      { curve, what: `${of}, 200s a second`, unit: "1/s", points: rate },
      { curve, what: `${of}, refused`, unit: "of all", points: refused },
      { curve, what: `${of}, p99 of all answers`, unit: "ms", points: p99 },
    );
    must.push(keptMust(of, rate));
  }
  return { curves, must };
}

function keptMust(of: string, rate: readonly Point[]): Must {
  const last = rate.find(([connections]) => connections === CONNECTIONS.at(-1))?.[1] ?? 0;
  const kept = last / Math.max(...rate.map(([, perSecond]) => perSecond));
  return atLeast(`goodput at c=1,024, ${of}`, kept, "of the peak", KEPT_LEAST);
}

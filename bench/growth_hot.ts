/**
 * A hot call: what it takes of the processor at 16 callers, the provider, its sandbox and the
 * program together, by what a bare fork and exec of the program takes; and answers a second at 4
 * callers by those of nginx with fcgiwrap. All in turns.
 */
import { dirname } from "node:path";
import { processorTime, processorTimeOf } from "./processor_time.ts";
import type { Budget, Growth, GrowthWorld } from "./growth_world.ts";
import { atLeast, atMost, median } from "./report.ts";
import { buildPrograms, measureHttp, startNginx } from "./sandbox_peers.ts";

const ROUNDS = 5;
const SECONDS = 2;
const WARM_SECONDS = 4;
const FLOOR_RUNS = 1_500;
/** 350 µs, where fork, exec and wait take 125. */
const TIMES_MOST = 2.8;
const NGINX_LEAST = 1;

export async function measureHot(world: GrowthWorld, budget: Budget): Promise<Growth> {
  const { cid } = (await world.deploy({ count: 1, tag: "hot" }))[0]!;
  const dir = await Deno.makeTempDir({ dir: dirname(world.program) });
  await Deno.chmod(dir, 0o755);
  const { floor, hello } = await buildPrograms(dir);
  await using nginx = await startNginx(dir, world.program, 16);
  await using served = await world.serve();
  const url = `${served.url}/${cid}`;
  for (const each of [url, nginx.url]) await measureHttp(each, 16, WARM_SECONDS);
  const found = {
    hot: [] as number[],
    bare: [] as number[],
    ours: [] as number[],
    peer: [] as number[],
  };
  for (let round = 0; round < ROUNDS && (round === 0 || budget.left() > 0); round++) {
    const before = await processorTime(served.pid);
    const { perSecond } = await measureHttp(url, 16, SECONDS);
    found.hot.push((await processorTime(served.pid) - before) / (perSecond * SECONDS));
    found.bare.push(await processorTimeOf(floor, [String(FLOOR_RUNS), "1", hello]) / FLOOR_RUNS);
    found.ours.push((await measureHttp(url, 4, SECONDS)).perSecond);
    found.peer.push((await measureHttp(nginx.url, 4, SECONDS)).perSecond);
  }
  const ratio = (one: readonly number[], other: readonly number[]) =>
    median(one.map((value, round) => value / other[round]!));
  const curve = "hot call";
  return {
    curves: [
      { curve, what: "processor, c=16", unit: "µs", points: [[16, median(found.hot)]] },
      { curve, what: "fork, exec and wait", unit: "µs", points: [[1, median(found.bare)]] },
      { curve, what: "a second, c=4", unit: "1/s", points: [[4, median(found.ours)]] },
      { curve, what: "nginx + fcgiwrap, c=4", unit: "1/s", points: [[4, median(found.peer)]] },
    ],
    must: [
      atMost(
        "a hot call's processor time, c=16",
        ratio(found.hot, found.bare),
        "of fork and exec's",
        TIMES_MOST,
      ),
      atLeast(
        "calls a second at c=4",
        ratio(found.ours, found.peer),
        "of nginx + fcgiwrap's",
        NGINX_LEAST,
      ),
    ],
  };
}

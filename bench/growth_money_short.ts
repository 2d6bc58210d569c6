/** What `bench growth money` measures of the chain and of stalls, with fewer lanes. */
import type { Curve } from "./exponent.ts";
import { measureChain } from "./growth_money_chain.ts";
import { measureStalls } from "./growth_money_stalls.ts";
import type { Budget, Growth } from "./growth_world.ts";
import type { Row } from "./report.ts";

const [CHAIN_LANES, STALL_LANES] = [2_000, 20_000];
/** What the first takes at most, and more than is left for it. */
const CHAIN_SECONDS = 20;

export async function measureMoney(_: unknown, budget: Budget): Promise<Growth> {
  const chain = await measureChain(CHAIN_LANES);
  const stalls = budget.left() > CHAIN_SECONDS
    ? await measureStalls(STALL_LANES)
    : { rows: [], must: [] };
  return {
    curves: [...curvesOf(chain.rows, CHAIN_LANES), ...curvesOf(stalls.rows, STALL_LANES)],
    must: [...chain.must, ...stalls.must],
  };
}

/** Rows that say what was done, and figures of it whose names end in their unit. */
function curvesOf(rows: readonly Row[], lanes: number): Curve[] {
  return rows.flatMap(({ what, ...figures }) =>
    Object.entries(figures).filter(([name]) => /(?:^|p99\.9 )ms$|^requests$/.test(name)).map((
      [name, value],
    ): Curve => ({
      curve: "lanes due",
      what: name === "p99.9 ms" ? `${what}, stall p99.9` : String(what),
      unit: name === "requests" ? "requests" : "ms",
      points: [[lanes, Number(value)]],
    }))
  );
}

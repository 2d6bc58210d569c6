/**
 * What `bench growth money` measures on a real chain, with fewer lanes. How long 100,000 lanes keep
 * the event loop is told there alone: it takes minutes.
 */
import type { Curve } from "./exponent.ts";
import { measureChain } from "./growth_money_chain.ts";
import type { Growth } from "./growth_world.ts";

const LANES = 1_000;

export async function measureMoney(): Promise<Growth> {
  const { rows, must } = await measureChain(LANES);
  const curves = rows.map(({ what, ms }): Curve => (
    { curve: "lanes due", what: String(what), unit: "ms", points: [[LANES, Number(ms)]] }
  ));
  return { curves, must };
}

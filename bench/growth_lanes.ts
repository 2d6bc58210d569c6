/**
 * An owner that goes on deploying, each deployment a lane of its own, settled now and then: whether
 * there is a last one. And what more and more payers and lanes cost the chain. All of it is counted
 * on a chain in memory.
 */
import { laneAt, openWatchedPayers, payerAt } from "../worlds/chain/watched_payers.ts";
import { PRICE } from "../worlds/chain/payer_bills.ts";
import { asKhachapuriError } from "../lib/errors.ts";
import type { Point } from "./exponent.ts";
import { firstCalls, minutesOfPayers } from "./growth_money_counts.ts";
import type { Budget, Growth } from "./growth_world.ts";
import { atLeast, atMost, type Must } from "./report.ts";

const SIZES = [10, 100, 1_000];
const MOST = SIZES.at(-1)!;
/** Past what one payer may have open at a time. */
const LIFETIME = 1_100;
const SETTLED_EVERY = 100;
/** Lanes between two looks at the chain, which take two seconds of its time. */
const LOOK_EVERY = 20;
const CREDITS = 1_000_000n;

export async function measureLanes(_: unknown, budget: Budget): Promise<Growth> {
  const payers: Point[] = [];
  const lanes: Point[] = [];
  for (const count of SIZES) {
    if (budget.left() > 0) payers.push([count, Math.max(...await minutesOfPayers(count))]);
    if (budget.left() > 0) lanes.push([count, await firstCalls(count)]);
  }
  const served = await lifetime(budget);
  const at = (points: readonly Point[]) => points.find(([n]) => n === MOST)?.[1] ?? Infinity;
  const must: Must[] = [
    atMost("1,000 payers, each minute", at(payers), "requests", 300),
    atMost("1,000 lanes' first calls", at(lanes), "requests", 5_000),
    atLeast("an owner's deployments, settled in between", served, "lanes served", LIFETIME),
  ];
  return {
    curves: [
      { curve: "payers", what: "requests to the chain a minute", unit: "", points: payers },
      { curve: "lanes of one owner", what: "requests for first calls", unit: "", points: lanes },
      {
        curve: "lanes of one owner",
        what: "served over time",
        unit: "",
        points: [[LIFETIME, served]],
      },
    ],
    must,
  };
}

/** @returns how many lanes had a call before one was refused */
async function lifetime(budget: Budget): Promise<number> {
  await using world = await openWatchedPayers();
  const owner = payerAt(0);
  world.fake.allow(owner.address, PRICE, CREDITS);
  await world.look();
  for (let lane = 0; lane < LIFETIME && budget.left() > 0; lane++) {
    try {
      await world.call(owner, laneAt(lane));
    } catch (error) {
      if (asKhachapuriError(error).status === 402) return lane;
      throw error;
    }
    if (lane % SETTLED_EVERY === SETTLED_EVERY - 1) await world.settleNow();
    if (lane % LOOK_EVERY === LOOK_EVERY - 1) await world.look();
  }
  return LIFETIME;
}

/**
 * The permits of a lane whose credits are all charged. One of them proves the lane's count to its
 * payer and is worth nothing to anybody else, as `charged` never falls: what is only held may be
 * released, and would leave a credit on it.
 */
import { LANE_PERMITS_KEPT_MAX } from "../../limits.ts";
import { type Permit, UINT128_MAX } from "../../permit.ts";

export interface UsedUp {
  /** Over the most credits of those that are used up. */
  readonly best: Permit | null;
  /** Accepted and not used up yet, fewest credits first. */
  readonly next: readonly Permit[];
}

export const NONE_USED_UP: UsedUp = { best: null, next: [] };

/** The lane's calls are paid by `permit` from now on. */
export function withPermit(usedUp: UsedUp, permit: Permit, charged: bigint): UsedUp {
  // An owner's is without end.
  if (permit.credits === UINT128_MAX) return usedUp;
  const others = usedUp.next.filter(({ credits }) => credits !== permit.credits);
  const next = [...others, permit].sort(byCredits).slice(0, LANE_PERMITS_KEPT_MAX);
  return withCount({ ...usedUp, next }, charged);
}

/** So many credits are charged on the lane. */
export function withCount(usedUp: UsedUp, charged: bigint): UsedUp {
  const { next } = usedUp;
  if (next.length === 0 || next[0]!.credits > charged) return usedUp;
  const firstLeft = next.findIndex(({ credits }) => credits > charged);
  const count = firstLeft === -1 ? next.length : firstLeft;
  return { best: next[count - 1]!, next: next.slice(count) };
}

/** No two are over as many. */
function byCredits(one: Permit, other: Permit): number {
  return one.credits < other.credits ? -1 : 1;
}

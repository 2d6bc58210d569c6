/** How long what was read of a payer holds. */
import type { ProviderConfig } from "../../config.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Follower } from "./follower.ts";

/** While no events are heard, a view holds this long, ms. */
const UNFOLLOWED_AGE_MS = 2_000;

/** How old a view may be: any age while events keep it, no more than it may cost while not. */
export function viewAgeMs(
  follower: Pick<Follower, "isCurrent">,
  ledger: Pick<Ledger, "totals">,
  offlineAmount: bigint,
): number {
  if (follower.isCurrent()) return Infinity;
  return ledger.totals().unsettled < offlineAmount ? UNFOLLOWED_AGE_MS : 0;
}

/** Where each credit is taken first, nothing is served that the chain has not told of. */
export function offlineAmountOf({ mode, offlineAmount }: ProviderConfig["settlement"]): bigint {
  return mode === "each" ? 0n : offlineAmount;
}

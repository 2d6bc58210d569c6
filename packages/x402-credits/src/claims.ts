/**
 * What a provider says of a lane's count in the 402 that refuses a permit, and how far we go along.
 * Up to what we called for it may be true. Beyond that it takes a permit of ours that could be
 * charged anyhow; and a lane by a label, which others of its payer may have used, takes a little on
 * the provider's word, as runs under way are never proved.
 */
import { formatUsdc } from "../../../lib/chain/usdc.ts";
import { provedCredits } from "../../../lib/client/lane_claims.ts";
import { KhachapuriError } from "../../../lib/errors.ts";
import type { LaneCount } from "../../../lib/lane_count.ts";
import { CORRECTION_AMOUNT_MAX } from "../../../lib/limits.ts";
import { getAddress } from "viem";
import type { Book } from "./book.ts";
import { credible, type Lane, noteBelieved, noteCharged, noteProved } from "./lane.ts";
import type { Settings } from "./settings.ts";

/**
 * Has the lane go on from a claim.
 * @throws KhachapuriError `payment_required` for more than can be true or is proved, and for a
 *   proof that is none
 */
export async function acceptClaim(
  settings: Settings,
  book: Book,
  lane: Lane,
  claim: LaneCount,
): Promise<void> {
  if (claim.cumulative > credible(lane)) await lookAtProof(settings, lane, claim);
  const beyond = claim.cumulative - credible(lane);
  if (beyond <= 0n) return noteCharged(lane, claim.cumulative);
  const amount = book.believed + beyond * lane.price;
  if (settings.laneLabel === null || amount > CORRECTION_AMOUNT_MAX) throw incredible(lane, claim);
  book.believed = amount;
  noteBelieved(lane, claim.cumulative);
}

async function lookAtProof(settings: Settings, lane: Lane, claim: LaneCount): Promise<void> {
  const { account, payer, epochOf, now } = settings;
  const { chainId, escrow, provider, id, price } = lane;
  const parties = { chainId, escrow, payer, provider };
  const epoch = await epochOf(parties);
  const by = { key: { ...parties, lane: id }, signer: getAddress(account.address), price, now };
  noteProved(lane, await provedCredits(claim, by, { epoch, epochEnd: 0n }));
}

function incredible(lane: Lane, { cumulative }: LaneCount): KhachapuriError {
  const known = credible(lane);
  const worth = formatUsdc((cumulative - known) * lane.price);
  return new KhachapuriError(
    "payment_required",
    `the provider ${lane.provider} counts ${cumulative} credits on this lane, where ${known} ` +
      `were called for or are proved: ${worth} USDC are its word alone`,
    { hints: ["nothing more was signed", "tell the provider, or use another"] },
  );
}

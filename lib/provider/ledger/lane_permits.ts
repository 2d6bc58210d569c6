/**
 * The permits that a lane is settled with. A further one takes the place of those that it is as
 * good as in everything; else both are kept, and each credit is settled by the one that lasts
 * longest. So of all credits used or held, which are alike, as many can be settled until any time
 * as were promised under permits that last until then.
 */
import { type Address, zeroAddress } from "viem";
import { LANE_PERMITS_MAX } from "../../limits.ts";
import type { Epoch, Permit } from "../../permit.ts";

export interface KeptPermit {
  readonly permit: Permit;
  /** Who signed it; null where an earlier version did not note that. */
  readonly signer: Address | null;
}

/** What the escrow says of a lane's payer: its allowance, or a view of it. */
export interface Terms extends Readonly<Epoch> {
  /** Who signs permits; zero when the payer itself does. */
  readonly signer: Address;
}

/** What rests on a lane's permits. */
export interface Load {
  /** The lane's counter that the escrow has taken. */
  readonly settled: bigint;
  /** The counter with all that is used or held. */
  readonly promised: bigint;
}

/**
 * The permits that a lane keeps once it is given `added`, which covers all of the load and is good
 * for the price of whatever is not settled; null when there is no room, as what was promised under
 * others lasts longer than under this one.
 */
export function withPermit(
  kept: readonly KeptPermit[],
  added: KeptPermit,
  load: Load,
): KeptPermit[] | null {
  const permits = [...kept.filter((each) => !isReplaced(each, added)), added];
  while (permits.length > LANE_PERMITS_MAX) {
    const idle = permits.findIndex((each) => each !== added && isIdle(each, permits, load));
    if (idle < 0) return null;
    permits.splice(idle, 1);
  }
  return permits;
}

/** Whether `one` is good for as long as `other`, whatever the payer ends. */
export function lastsAsLong(one: Permit, other: Permit): boolean {
  return one.epoch >= other.epoch && one.deadline >= other.deadline;
}

/** Whether a permit may be by who signs for the payer now. */
export function isSignedBy({ signer }: KeptPermit, by: Address): boolean {
  return signer === null || signer === by;
}

/**
 * The permit that settles the credit with which a lane's counter becomes `counter`: of those that
 * cover it the one that the escrow takes longest. Where none does, the newest, so that the escrow
 * says why not; null when there is none at all.
 */
export function permitFor(
  kept: readonly KeptPermit[],
  counter: bigint,
  price: bigint,
  terms: Terms | null,
): Permit | null {
  if (kept.length === 1) return kept[0]!.permit;
  let best: KeptPermit | null = null;
  for (const each of kept) {
    if (each.permit.credits < counter || each.permit.price < price) continue;
    if (best === null || isLonger(each, best, terms)) best = each;
  }
  return (best ?? kept.at(-1))?.permit ?? null;
}

function isReplaced(kept: KeptPermit, by: KeptPermit): boolean {
  // The escrow believes one signer at a time. Of an earlier version's permits the last one counts.
  if (by.signer === null || !isSignedBy(kept, by.signer)) return true;
  const { permit: one } = by;
  const { permit: other } = kept;
  return lastsAsLong(one, other) && one.credits >= other.credits && one.price >= other.price;
}

/** Whether nothing that is promised would hang on a shorter permit without this one. */
function isIdle(kept: KeptPermit, permits: readonly KeptPermit[], load: Load): boolean {
  const { credits } = kept.permit;
  // Should the chain take a settlement back, it hangs on those that are kept.
  if (credits <= load.settled) return true;
  const needed = credits < load.promised ? credits : load.promised;
  return permits.some((other) =>
    other !== kept && lastsAsLong(other.permit, kept.permit) && other.permit.credits >= needed &&
    other.permit.price >= kept.permit.price
  );
}

function isLonger(one: KeptPermit, other: KeptPermit, terms: Terms | null): boolean {
  const [a, b] = [endOf(one, terms), endOf(other, terms)];
  if (a !== b) return a > b;
  if (one.permit.epoch !== other.permit.epoch) return one.permit.epoch > other.permit.epoch;
  if (one.permit.deadline !== other.permit.deadline) {
    return one.permit.deadline > other.permit.deadline;
  }
  return one.permit.credits > other.permit.credits;
}

/** Until when the escrow takes a permit, Unix seconds; zero when it does not. */
function endOf(kept: KeptPermit, terms: Terms | null): bigint {
  const { permit: { payer, epoch, deadline } } = kept;
  if (terms === null) return deadline;
  const signer = terms.signer === zeroAddress ? payer : terms.signer;
  if (!isSignedBy(kept, signer)) return 0n;
  if (epoch === terms.epoch) {
    const isEnding = terms.epochEnd !== 0n && terms.epochEnd <= deadline;
    return isEnding ? terms.epochEnd - 1n : deadline;
  }
  return epoch === terms.epoch + 1 && terms.epochEnd !== 0n ? deadline : 0n;
}

/**
 * A lane is a counter of one payer. `charged` is what runs have used on it, `settled` what the
 * escrow has taken, both cumulative (the contract calls the latter `consumed`, the wire calls the
 * former `cumulative`). charged > settled is work that the escrow has not yet paid for. settled >
 * charged is credit that the escrow took before the run (`--settle each`) and no run has used: the
 * lane's next calls are prepaid.
 */
import type { Mark } from "./ages.ts";
import type { LaneId } from "./entries.ts";
import { type KeptPermit, withPermit } from "./lane_permits.ts";
import { type UsedUp, withPermit as withUsedUp } from "./used_up.ts";

/** Consecutive charged credits at one price, up to the counter `upTo`. */
export interface Segment {
  upTo: bigint;
  price: bigint;
}

export interface Lane extends LaneId {
  /** Cumulative credits that runs have used. */
  charged: bigint;
  /** Credits held for runs that have not ended, or have not come yet. */
  held: bigint;
  /** Cumulative credits that the escrow has taken, as far as we have seen. */
  settled: bigint;
  /** The block of the last settlement: views of earlier blocks do not know it yet. */
  settledBlock: bigint;
  /** Of those accepted: together they cover all that the lane has promised so far. */
  permits: readonly KeptPermit[];
  /** Which of its permits is used up, and which will be next. */
  usedUp: UsedUp;
  /** `charged` by price, oldest first; what lies above `settled` is due. */
  segments: Segment[];
  /** When what is due was charged, oldest first. */
  ages: Mark[];
  /** When it came here, ms since the epoch. */
  openedAt: number;
  /**
   * Set when the escrow refused to settle; such a lane is served no more until it settles, or until
   * another permit takes the place of the one that was at fault. What it owes is written off.
   */
  refused: string | null;
  /** What the escrow had taken before it came here. */
  opened: bigint;
  /** Numbers of what is held on it. */
  reserved: number[];
  /** In which sums and indexes of the book it is: `DUE`, `OPEN`, … */
  listed: number;
}

/** Credits used or held that the escrow has not taken yet; never negative. */
export function outstanding(lane: Lane): bigint {
  const open = lane.charged + lane.held - lane.settled;
  return open > 0n ? open : 0n;
}

/** Whether the escrow has taken just what runs have used, and nothing is held or refused. */
export function isLevel({ charged, held, settled, refused }: Lane): boolean {
  return charged === settled && held === 0n && refused === null;
}

/** Credits that the escrow has taken and no run has used or holds. */
export function prepaid(lane: Lane): bigint {
  const left = lane.settled - lane.charged - lane.held;
  return left > 0n ? left : 0n;
}

/**
 * USDC base units that runs have used and the escrow has not paid. What was used before the lane
 * was opened here and a reorganisation makes due again counts at the first run's price.
 */
export function unsettledAmount({ settled, segments }: Pick<Lane, "settled" | "segments">): bigint {
  let amount = 0n;
  let from = settled;
  for (const { upTo, price } of segments) {
    if (upTo > from) {
      amount += (upTo - from) * price;
      from = upTo;
    }
  }
  return amount;
}

/** The highest price among the credits that the escrow has not paid; 0n when there are none. */
export function dearestUnsettled(
  { settled, segments }: Pick<Lane, "settled" | "segments">,
): bigint {
  let dearest = 0n;
  for (const { upTo, price } of segments) if (upTo > settled && price > dearest) dearest = price;
  return dearest;
}

/**
 * The lane's permits with one more; null when there is no room for it. Those that the escrow
 * refused are of no use any more.
 * @param promised the counter with all that is used or held
 */
export function permitsWith(
  { permits, settled, charged, held, refused }: Lane,
  added: KeptPermit,
  promised: bigint = charged + held,
): readonly KeptPermit[] | null {
  return refused === null ? withPermit(permits, added, { settled, promised }) : [added];
}

/** The lane is settled with this permit, too, from now on. */
export function takePermit(lane: Lane, added: KeptPermit): void {
  lane.permits = permitsWith(lane, added) ?? [added];
  lane.usedUp = withUsedUp(lane.usedUp, added.permit, lane.charged);
}

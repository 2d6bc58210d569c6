/**
 * Whether one more credit may be held: a pure function of what is asked, what the escrow says of
 * the payer and what the book says of its lanes. The ledger asks it at the moment of holding, with
 * nothing awaited in between, so calls that come at once cannot share a credit.
 */
import type { Address, Hex } from "viem";
import type { CidText } from "../../cid.ts";
import { PAYER_LANES_MAX } from "../../limits.ts";
import {
  type Epoch,
  isEpochAlive,
  isPermitAlive,
  type Permit,
  signingEpoch,
} from "../../permit.ts";
import { DAY, type OperatorLimits, operatorRoom } from "./operator_room.ts";
import {
  type Account,
  accountOf,
  type Book,
  dearestUnsettled,
  type Lane,
  type LaneId,
  laneOf,
  outstanding,
  permitsWith,
  prepaid,
} from "./journal.ts";
import { isSignedBy, lastsAsLong, permitFor } from "./lane_permits.ts";

/** One credit that somebody asks for. */
export interface Draw extends LaneId {
  /** By which it can be settled; its signature has been verified. */
  readonly permit: Permit;
  /** What the provider asks for the credit, USDC base units. */
  readonly price: bigint;
  /** The deployment that is to run for it. */
  readonly cid: CidText;
  /** Credits a minute that strangers may cost the owner who pays; absent: it is the caller. */
  readonly ownerCreditsPerMinute?: number;
}

/** A payer's allowance for this provider and its counters, all as of one block. */
export interface PayerView extends Readonly<Epoch> {
  readonly block: bigint;
  /** When it was read, ms since the epoch. */
  readonly at: number;
  readonly credits: bigint;
  readonly thawingCredits: bigint;
  /** When these may be reclaimed, Unix seconds; zero when nothing thaws. */
  readonly thawEnd: bigint;
  readonly pricePerCredit: bigint;
  /** Who may sign permits: the pinned signer, or the payer itself. */
  readonly signer: Address;
  /** The escrow's counter of each lane that was not known to be level with ours. */
  readonly settled: ReadonlyMap<Hex, bigint>;
  /**
   * The most that runs may use and hold here, counted from what the escrow had taken when each lane
   * was opened. A settlement lowers the allowance and raises the counters by the same number, so it
   * leaves the ceiling as it is: a view need not know the newest one.
   */
  readonly ceiling: bigint;
}

/**
 * Where the credit comes from: the allowance, or what the escrow has already taken. "taken": what
 * it took for this very call, which was judged before: nothing that happened since is held against
 * the call, only that another call may have used the credit.
 */
export type Source = "allowance" | "prepaid" | "taken";

/** Why a credit is not held. */
export type Refusal =
  | { readonly reason: "permit_expiring" }
  /** The payer has taken it back, or is about to; `epoch` is what new permits are signed for. */
  | { readonly reason: "permit_epoch"; readonly epoch: number }
  | { readonly reason: "permit_price" | "allowance_price"; readonly allowed: bigint }
  /** `dearest` is the highest price of what it owes. */
  | { readonly reason: "lane_refused"; readonly because: string; readonly dearest: bigint }
  | { readonly reason: "permit_used" | "no_credits" }
  | { readonly reason: "earlier_dearer"; readonly price: bigint }
  /** What is not settled was promised under permits that last longer; until then, at most. */
  | { readonly reason: "earlier_longer"; readonly deadline: bigint }
  | { readonly reason: "too_many_lanes"; readonly lanes: number }
  /** What the payer has locked is not worth a row for one more; amounts in USDC base units. */
  | {
    readonly reason: "dust_lanes";
    readonly lanes: number;
    readonly locked: bigint;
    readonly needed: bigint;
  }
  /** Settlement has no room for one row more: ours to mend. */
  | { readonly reason: "backlog"; readonly retryAfterSeconds: number }
  /** The operator could not settle it in time: ours to mend, and over with the next day of UTC. */
  | { readonly reason: "operator_limit"; readonly retryAfterSeconds: number }
  /** Of the prepaid source alone: the escrow has to take a credit first; so many it had taken. */
  | { readonly reason: "not_taken"; readonly settled: bigint };

export type Judgement =
  | { readonly payable: true }
  | {
    readonly payable: false;
    readonly refusal: Refusal;
    /** The lane's counter with what runs hold: the next permit has to cover one more. */
    readonly used: bigint;
  };

/** Credits held for calls that have not come (prehold.ts): any call of the payer may have them. */
export interface Preholds {
  ofPayer(payer: Address): bigint;
  onLane(payer: Address, lane: Hex): bigint;
  /** What all of them would cost, USDC base units. */
  amount(): bigint;
}

/** What a judgement needs of the ledger. */
export interface Position {
  readonly book: Book;
  readonly preholds: Preholds;
}

/** When it is, and how long a permit must still be good so that it can be settled. */
export interface Clock {
  /** Unix seconds. */
  readonly now: bigint;
  /** Seconds. */
  readonly settleWindow: bigint;
}

/** And how what is promised gets settled. */
export interface Settling extends Clock {
  /** Notice that a payer gives before credits or permits leave, seconds. */
  readonly thawingPeriod: bigint;
  /** Null when the operator may settle whatever there is. */
  readonly operator: OperatorLimits | null;
  /**
   * Seconds until settlement may have room for a further row of a payer that has so many lanes
   * open; null while it has.
   */
  readonly backlog: (lanes: number) => number | null;
  /** What a row must be worth, USDC base units. */
  readonly rowWorth: bigint;
}

/** Judges one more credit for `draw` from `source`. */
export function judge(
  draw: Draw,
  view: PayerView,
  position: Position,
  settling: Settling,
  source: Source,
): Judgement {
  const refusal = source === "taken"
    ? takenRefusal(draw, view, position)
    : permitRefusal(draw, view, settling) ??
      allowanceRefusal(draw, view) ??
      laneRefusal(draw, view, position) ??
      roomRefusal(draw, view, position, settling) ??
      creditRefusal(draw, view, position, source, settling);
  if (refusal === null) return PAYABLE;
  return { payable: false, refusal, used: usedOn(draw, view, position) };
}

const PAYABLE: Judgement = { payable: true };

/** Why the escrow might not take a permit, whatever the payer has left; null when it would. */
export function permitRefusal(
  { permit, price }: Pick<Draw, "permit" | "price">,
  view: Epoch,
  clock: Clock,
): Refusal | null {
  if (!isPermitAlive(permit, clock.now, clock.settleWindow)) return { reason: "permit_expiring" };
  if (!isEpochAlive(permit.epoch, view, clock.now, clock.settleWindow)) {
    return { reason: "permit_epoch", epoch: signingEpoch(view) };
  }
  return permit.price < price ? { reason: "permit_price", allowed: permit.price } : null;
}

function allowanceRefusal({ price }: Draw, view: PayerView): Refusal | null {
  if (view.credits === 0n || view.pricePerCredit >= price) return null;
  return { reason: "allowance_price", allowed: view.pricePerCredit };
}

function laneRefusal(draw: Draw, view: PayerView, position: Position): Refusal | null {
  const lane = laneOf(position.book, draw.payer, draw.lane);
  if (lane && lane.refused !== null && !mends(draw.permit, lane, lane.refused, view)) {
    return { reason: "lane_refused", because: lane.refused, dearest: dearestUnsettled(lane) };
  }
  return usedOn(draw, view, position) < draw.permit.credits ? null : { reason: "permit_used" };
}

/**
 * Whether `permit`, which covers what is due as permits are cumulative, is better than the one that
 * the escrow refused in just that which it had against it.
 */
function mends(permit: Permit, lane: Lane, refused: string, view: PayerView): boolean {
  const { settled, segments } = lane;
  const price = segments.find(({ upTo }) => upTo > settled)?.price ?? 0n;
  const faulty = permitFor(lane.permits, settled + 1n, price, view);
  if (faulty === null) return false;
  switch (refused) {
    case "PermitExpired":
      return permit.deadline > faulty.deadline;
    case "WrongEpoch":
      return permit.epoch !== faulty.epoch;
    case "InvalidSignature":
      return permit.signature !== faulty.signature;
    case "PermitExceeded":
      return permit.credits > faulty.credits;
    case "PriceTooHigh":
      // Or the allowance was at fault, and then no permit helps.
      return permit.price > faulty.price && view.pricePerCredit >= dearestUnsettled(lane);
    default:
      return false;
  }
}

function creditRefusal(
  draw: Draw,
  view: PayerView,
  position: Position,
  source: Source,
  settling: Settling,
): Refusal | null {
  const lane = laneOf(position.book, draw.payer, draw.lane);
  if (source === "prepaid" && lane && prepaid(lane) > 0n) return null;
  if (availableTo(draw, view, position) <= 0n) return { reason: "no_credits" };
  const limit = operatorRefusal(draw, view, position, settling);
  if (limit) return limit;
  if (source === "allowance") return rowRefusal(draw, view, position, settling);
  return { reason: "not_taken", settled: lane?.settled ?? settledBefore(draw, view) };
}

/** Whether one lane more that is to be settled is worth a row, and has room for one. */
function rowRefusal(
  draw: Draw,
  view: PayerView,
  { book, preholds }: Position,
  { rowWorth, backlog }: Settling,
): Refusal | null {
  const account = accountOf(book, draw.payer);
  const lane = laneOf(book, draw.payer, draw.lane);
  // What is held for calls that have not come is no row yet.
  const isRow = lane !== undefined && lane.refused === null &&
    (lane.charged > lane.settled ||
      outstanding(lane) > preholds.onLane(draw.payer, draw.lane));
  if (isRow) return null;
  const lanes = account?.open ?? 0;
  const needed = BigInt((isOpen(lane) ? lanes - 1 : lanes) + 1) * rowWorth;
  const used = account ? usedOf(account) : 0n;
  const locked = (view.ceiling - used) * draw.price + (account?.unsettledAmount ?? 0n);
  if (needed > locked) return { reason: "dust_lanes", lanes, locked, needed };
  const retryAfterSeconds = backlog(lanes);
  return retryAfterSeconds === null ? null : { reason: "backlog", retryAfterSeconds };
}

function operatorRefusal(
  draw: Draw,
  view: PayerView,
  position: Position,
  settling: Settling,
): Refusal | null {
  const { now, operator } = settling;
  if (operator === null) return null;
  const room = operatorRoom(operator, now, settledBy(draw, view, settling));
  if (room === null || promisedAmount(position) + draw.price <= room) return null;
  return { reason: "operator_limit", retryAfterSeconds: Number(DAY - now % DAY) };
}

/** When the credit must be settled, should the payer give notice now; Unix seconds. */
function settledBy(
  { permit }: Draw,
  { epoch, epochEnd }: PayerView,
  { now, settleWindow, thawingPeriod }: Settling,
): bigint {
  const ends = [permit.deadline, now + thawingPeriod];
  if (permit.epoch === epoch && epochEnd !== 0n) ends.push(epochEnd);
  return ends.reduce((one, other) => one < other ? one : other) - settleWindow;
}

/** What calls have used and may still use that nobody settled, USDC base units. */
function promisedAmount({ book, preholds }: Position): bigint {
  return book.unsettledAmount + book.heldAmount - preholds.amount();
}

function takenRefusal(draw: Draw, view: PayerView, { book }: Position): Refusal | null {
  const lane = laneOf(book, draw.payer, draw.lane);
  if (lane && prepaid(lane) > 0n) return null;
  return { reason: "not_taken", settled: lane?.settled ?? settledBefore(draw, view) };
}

function roomRefusal(
  draw: Draw,
  view: PayerView,
  position: Position,
  clock: Clock,
): Refusal | null {
  const { payer, permit } = draw;
  const account = accountOf(position.book, payer);
  const lane = laneOf(position.book, payer, draw.lane);
  const lanes = account?.open ?? 0;
  if (lanes >= PAYER_LANES_MAX && !isOpen(lane)) return { reason: "too_many_lanes", lanes };
  if (!lane || ownPermit(draw, view, position, clock) !== null) return null;
  const price = dearestUnsettled(lane);
  if (permit.price < price) return { reason: "earlier_dearer", price };
  const added = { permit, signer: view.signer };
  if (permitsWith(lane, added, usedOn(draw, view, position)) !== null) return null;
  return { reason: "earlier_longer", deadline: lastDeadline(lane) };
}

/** Whether it has to be settled still, or was refused. */
function isOpen(lane: Lane | undefined): boolean {
  return lane !== undefined && (outstanding(lane) > 0n || lane.refused !== null);
}

function lastDeadline({ permits }: Lane): bigint {
  const deadlines = permits.map(({ permit }) => permit.deadline);
  return deadlines.reduce((one, other) => one > other ? one : other, 0n);
}

/**
 * Of the permits that a lane keeps, the one that one more credit is promised under: the draw's own,
 * or another that covers the credit and lasts as long. Null when the lane needs the draw's as well.
 */
export function ownPermit(
  draw: Draw,
  view: PayerView,
  position: Position,
  clock: Clock,
): Permit | null {
  const lane = laneOf(position.book, draw.payer, draw.lane);
  if (!lane || lane.refused !== null) return null;
  // What the draw's own covers has been looked at.
  if (isKept(lane, draw.permit)) return draw.permit;
  const used = usedOn(draw, view, position);
  const found = lane.permits.find((kept) => {
    const { permit } = kept;
    return permit.credits > used && permit.price >= draw.price &&
      lastsAsLong(permit, draw.permit) && isSignedBy(kept, view.signer) &&
      isEpochAlive(permit.epoch, view, clock.now, clock.settleWindow);
  });
  return found?.permit ?? null;
}

/** Whether the lane would be settled by this very permit. */
export function isKept({ permits }: Lane, { signature }: Permit): boolean {
  return permits.some(({ permit }) => permit.signature === signature);
}

/** The escrow's counter of a lane that has not been opened here. */
export function settledBefore({ lane }: LaneId, view: PayerView): bigint {
  const settled = view.settled.get(lane);
  if (settled === undefined) throw new Error(`the view does not tell the counter of ${lane}`);
  return settled;
}

/** Credits of the lane that runs have used or that are held, for whichever call. */
function takenOn(id: LaneId, view: PayerView, book: Book): bigint {
  const lane = laneOf(book, id.payer, id.lane);
  return lane ? lane.charged + lane.held : settledBefore(id, view);
}

/** Of these, what belongs to calls that have come: where the payer's next permit goes on. */
export function usedOn(id: LaneId, view: PayerView, { book, preholds }: Position): bigint {
  return takenOn(id, view, book) - preholds.onLane(id.payer, id.lane);
}

/**
 * Credits that nobody holds: `ceiling − used − held`. What is prepaid on a lane is for that lane's
 * calls alone.
 */
function unheld({ payer, lane: id }: Draw, view: PayerView, book: Book): bigint {
  const account = accountOf(book, payer);
  if (!account) return view.ceiling;
  return view.ceiling - usedOf(account) - account.held - prepaidElsewhere(account, id);
}

function usedOf({ charged, opened }: Account): bigint {
  return charged - opened;
}

function prepaidElsewhere(account: Account, id: Hex): bigint {
  // Of one that is parked nothing is prepaid.
  const own = account.lanes.get(id);
  return account.prepaid - (own ? prepaid(own) : 0n);
}

/** What a call may have: what nobody holds, and what is held for calls that have not come. */
export function availableTo(draw: Draw, view: PayerView, { book, preholds }: Position): bigint {
  return unheld(draw, view, book) + preholds.ofPayer(draw.payer);
}

/** How many credits more could be held beside all that are. */
export function roomFor(draw: Draw, view: PayerView, book: Book): bigint {
  const covered = draw.permit.credits - takenOn(draw, view, book);
  const left = unheld(draw, view, book);
  return covered < left ? covered : left;
}

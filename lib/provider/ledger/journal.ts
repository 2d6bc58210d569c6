/**
 * The provider's book as a pure reducer: entries in, balances out. The store keeps the entries;
 * everything the book knows follows from them, so a restart replays them and nothing can drift.
 *
 * A lane is a counter of one payer. `charged` is what runs have used on it, `settled` what the
 * escrow has taken, both cumulative (the contract calls the latter `consumed`, the wire calls the
 * former `cumulative`). charged > settled is work that the escrow has not yet paid for. settled >
 * charged is credit that the escrow took before the run (`--settle each`) and no run has used: the
 * lane's next calls are prepaid.
 */
import type { Address, Hex } from "viem";
import type { CidText } from "../../cid.ts";
import { type Mark, markCharge, markSettled } from "./ages.ts";
import type { Entry, LaneId, OpenEntry, PermitEntry } from "./entries.ts";
import { type KeptPermit, withPermit } from "./lane_permits.ts";
import { SettledLately } from "./settled_lately.ts";
import { NONE_USED_UP, type UsedUp, withCount, withPermit as withUsedUp } from "./used_up.ts";

export type {
  ChargeEntry,
  Entry,
  LaneId,
  Outcome,
  ReceiptFacts,
  ReleaseEntry,
  ReserveEntry,
  SettleEntry,
} from "./entries.ts";

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
  /** In which sums and indexes of the book it is: `DUE`, `OPEN`, … */
  listed: number;
}

/** What the book keeps of a credit that is held. */
export interface Reservation extends LaneId {
  readonly cid: CidText;
  readonly price: bigint;
}

/** The sums over all lanes of a payer, kept so that a judgement never walks them. */
export interface Account {
  readonly lanes: Map<Hex, Lane>;
  /** What the escrow had taken on each lane before it was opened here. */
  opened: bigint;
  charged: bigint;
  held: bigint;
  settled: bigint;
  /** Credits that the escrow has taken on some lane and that no run has used or holds. */
  prepaid: bigint;
  /** What runs have used and the escrow has neither paid nor refused; USDC base units. */
  unsettledAmount: bigint;
  /** Lanes that the escrow has to settle still, or refused to. */
  open: number;
  /** Lanes on which used and held credits are not just what the escrow has taken, or refused. */
  readonly uneven: Set<Lane>;
  /** The others, and these, by when the escrow's counter was last heard of; null before. */
  settledLately: SettledLately<Lane> | null;
}

export interface Book {
  readonly accounts: Map<Address, Account>;
  readonly reservations: Map<number, Reservation>;
  nextReservation: number;
  /** Lanes with credits, used by runs here, that the escrow has neither taken nor refused. */
  readonly due: Set<Lane>;
  /** Lanes with credits used or held that the escrow has not taken. */
  outstandingLanes: number;
  /** Lanes that the escrow refused to settle. */
  refusedLanes: number;
  /** What runs have used and the escrow has neither paid nor refused; USDC base units. */
  unsettledAmount: bigint;
  /** What is written off: used on lanes that the escrow refused to settle; USDC base units. */
  refusedAmount: bigint;
  /** What is held and has not ended may still cost; USDC base units. */
  heldAmount: bigint;
}

export function emptyBook(): Book {
  return {
    accounts: new Map(),
    reservations: new Map(),
    nextReservation: 1,
    due: new Set(),
    outstandingLanes: 0,
    refusedLanes: 0,
    unsettledAmount: 0n,
    refusedAmount: 0n,
    heldAmount: 0n,
  };
}

/** The lane of a payer, or undefined when it has never been opened here. */
export function laneOf(book: Book, payer: Address, lane: Hex): Lane | undefined {
  return book.accounts.get(payer)?.lanes.get(lane);
}

/** Every lane of every payer. */
export function* lanesOf(book: Book): Iterable<Lane> {
  for (const { lanes } of book.accounts.values()) yield* lanes.values();
}

/** Credits used or held that the escrow has not taken yet; never negative. */
export function outstanding(lane: Lane): bigint {
  const open = lane.charged + lane.held - lane.settled;
  return open > 0n ? open : 0n;
}

/** The same over all lanes of a payer. */
export function outstandingOf({ charged, held, settled, prepaid }: Account): bigint {
  return charged + held - settled + prepaid;
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

/**
 * Applies one entry.
 * @param at when it was written, ms since the epoch
 * @throws Error when the entry contradicts the book: a bug or a damaged file, never a user's doing
 */
export function apply(book: Book, entry: Entry, at: number): void {
  switch (entry.kind) {
    case "open":
      return openLane(book, entry, at);
    case "permit":
      return addPermit(book, entry);
    case "reserve": {
      assert(
        !book.reservations.has(entry.reservation),
        () => `reservation ${entry.reservation} twice`,
      );
      const lane = add(book, entry, "held", 1n);
      book.reservations.set(entry.reservation, entry);
      book.heldAmount += entry.price;
      book.nextReservation = Math.max(book.nextReservation, entry.reservation + 1);
      return list(book, lane);
    }
    case "charge": {
      const { price } = endReservation(book, entry.reservation);
      const lane = add(book, entry, "charged", 1n);
      lane.usedUp = withCount(lane.usedUp, lane.charged);
      const isFirst = lane.segments.length === 0;
      // Also when it is settled already: a reorganised chain may make it due again.
      pushSegment(lane, price);
      const isUnpaid = lane.charged > lane.settled;
      // Credits below a lane's first run, which a reorganisation makes due again, had no price yet.
      if (isFirst) owe(book, lane, unsettledAmount(lane));
      else if (isUnpaid) owe(book, lane, price);
      if (isUnpaid) markCharge(lane.ages, lane.charged - 1n, at);
      return list(book, lane);
    }
    case "release":
      return list(book, endReservation(book, entry.reservation).lane);
    case "settle": {
      // Not monotone: a reorganised chain may take a settlement back, and then it is due again.
      const lane = requireLane(book, entry);
      owe(book, lane, -unsettledAmount(lane));
      add(book, entry, "settled", entry.settled - lane.settled);
      lane.settledBlock = entry.block;
      lane.refused = null;
      owe(book, lane, unsettledAmount(lane));
      markSettled(lane.ages, lane.settled, lane.charged, lane.openedAt);
      (book.accounts.get(lane.payer)!.settledLately ??= new SettledLately()).note(lane);
      return list(book, lane);
    }
    case "skip":
      return setRefused(book, requireLane(book, entry), entry.reason);
  }
}

/** Counts what the lane owes, up or down. */
function owe(book: Book, lane: Lane, amount: bigint): void {
  if (lane.refused !== null) {
    book.refusedAmount += amount;
    return;
  }
  book.unsettledAmount += amount;
  book.accounts.get(lane.payer)!.unsettledAmount += amount;
}

function setRefused(book: Book, lane: Lane, refused: string | null): void {
  const amount = unsettledAmount(lane);
  owe(book, lane, -amount);
  lane.refused = refused;
  owe(book, lane, amount);
  list(book, lane);
}

function openLane(book: Book, { payer, lane, charged }: OpenEntry, at: number): void {
  assert(laneOf(book, payer, lane) === undefined, () => `lane ${lane} opened twice`);
  const opened: Lane = {
    payer,
    lane,
    charged,
    held: 0n,
    settled: charged,
    settledBlock: 0n,
    permits: [],
    usedUp: NONE_USED_UP,
    segments: [],
    ages: [],
    openedAt: at,
    refused: null,
    listed: 0,
  };
  const account = book.accounts.get(payer) ?? emptyAccount();
  book.accounts.set(payer, account);
  account.lanes.set(lane, opened);
  account.opened += charged;
  account.charged += charged;
  account.settled += charged;
}

function emptyAccount(): Account {
  return {
    lanes: new Map(),
    opened: 0n,
    charged: 0n,
    held: 0n,
    settled: 0n,
    prepaid: 0n,
    unsettledAmount: 0n,
    open: 0,
    uneven: new Set(),
    settledLately: null,
  };
}

function addPermit(book: Book, entry: PermitEntry): void {
  const lane = requireLane(book, entry);
  const added: KeptPermit = { permit: entry.permit, signer: entry.signer ?? null };
  lane.permits = permitsWith(lane, added) ?? [added];
  lane.usedUp = withUsedUp(lane.usedUp, entry.permit, lane.charged);
  // It was held against the permits before; what is owed is due again.
  setRefused(book, lane, null);
}

/** Lane and account always move together. */
function add(book: Book, id: LaneId, counter: "charged" | "held" | "settled", by: bigint): Lane {
  const lane = requireLane(book, id);
  const account = book.accounts.get(id.payer)!;
  account.prepaid -= prepaid(lane);
  lane[counter] += by;
  account[counter] += by;
  account.prepaid += prepaid(lane);
  return lane;
}

/** Credits are due on it. */
const DUE = 1;
/** It is outstanding. */
const OUTSTANDING = 2;
/** The escrow refused it. */
const REFUSED = 4;
/** It has to be settled still, or was refused. */
const OPEN = 8;
/** It is not level with the escrow, or was refused. */
const UNEVEN = 16;

/** Keeps the book's indexes after a change of the lane: nobody has to look through all lanes. */
function list(book: Book, lane: Lane): void {
  const listed = placeOf(lane);
  const changed = listed ^ lane.listed;
  if (changed === 0) return;
  lane.listed = listed;
  const account = book.accounts.get(lane.payer)!;
  const by = (place: number) => (changed & place) === 0 ? 0 : (listed & place) === 0 ? -1 : 1;
  book.outstandingLanes += by(OUTSTANDING);
  book.refusedLanes += by(REFUSED);
  account.open += by(OPEN);
  if (by(DUE) === 1) book.due.add(lane);
  else if (by(DUE) === -1) book.due.delete(lane);
  if (by(UNEVEN) === 1) account.uneven.add(lane);
  else if (by(UNEVEN) === -1) account.uneven.delete(lane);
}

function placeOf(lane: Lane): number {
  const { charged, held, settled, refused, permits, segments } = lane;
  const promised = charged + held;
  let place = 0;
  // What a reorganisation makes due again has no price before the lane's first run.
  const isOwed = charged > settled && segments.length > 0;
  if (refused === null && isOwed && permits.length > 0) place |= DUE;
  if (promised > settled) place |= OUTSTANDING | OPEN;
  if (promised !== settled) place |= UNEVEN;
  if (refused !== null) place |= REFUSED | OPEN | UNEVEN;
  return place;
}

function pushSegment(lane: Lane, price: bigint): void {
  const last = lane.segments.at(-1);
  if (last && last.price === price && last.upTo === lane.charged - 1n) {
    last.upTo = lane.charged;
  } else lane.segments.push({ upTo: lane.charged, price });
}

/** Ends it, without `list`. */
function endReservation(book: Book, id: number): { lane: Lane; price: bigint } {
  const reservation = book.reservations.get(id);
  assert(reservation !== undefined, () => `reservation ${id} is not open`);
  book.reservations.delete(id);
  book.heldAmount -= reservation.price;
  return { lane: add(book, reservation, "held", -1n), price: reservation.price };
}

function requireLane(book: Book, { payer, lane }: LaneId): Lane {
  const found = laneOf(book, payer, lane);
  assert(found !== undefined, () => `lane ${lane} of ${payer} was never opened`);
  return found;
}

function assert(condition: boolean, message: () => string): asserts condition {
  if (!condition) throw new Error(`the ledger contradicts itself: ${message()}`);
}

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
import type { Permit } from "../../permit.ts";
import type { Outcome } from "../../receipt.ts";
import { NONE_USED_UP, type UsedUp, withCount, withPermit } from "./used_up.ts";

export type { Outcome };

/** A lane's name: the payer that signs for it and the number that the payer gave it. */
export interface LaneId {
  readonly payer: Address;
  readonly lane: Hex;
}

/** What a receipt will say of a charge. */
export interface ReceiptFacts {
  /** The deployment that ran. */
  cid: CidText;
  /** USDC base units. */
  price: bigint;
  /** The lane's counter with this charge. */
  charged: bigint;
  /** sha256 of the request body; null when it had not arrived in full. */
  requestHash: Hex | null;
  responseHash: Hex;
  /** Unix ms. */
  startedAt: number;
  durationMs: number;
}

/** The first thing known of a lane: the escrow had taken so much of it before it came to us. */
export interface OpenEntry extends LaneId {
  kind: "open";
  charged: bigint;
}

/** From now on the lane is settled with this permit. */
export interface PermitEntry extends LaneId {
  kind: "permit";
  permit: Permit;
}

/** One credit is held for a run. */
export interface ReserveEntry extends LaneId {
  kind: "reserve";
  reservation: number;
  cid: CidText;
  /** USDC base units. */
  price: bigint;
}

/** The run of a reservation has ended and costs its credit. */
export interface ChargeEntry extends LaneId {
  kind: "charge";
  reservation: number;
  outcome: Outcome;
  /** Only where the payer called itself. */
  facts?: ReceiptFacts;
}

/** A reservation ended and costs nothing. */
export interface ReleaseEntry extends LaneId {
  kind: "release";
  reservation: number;
  reason: string;
}

/** The escrow's counter of the lane, as `block` has it. */
export interface SettleEntry extends LaneId {
  kind: "settle";
  settled: bigint;
  block: bigint;
  /** Null when the counter was read instead of heard of. */
  transaction: Hex | null;
}

/** The escrow refused to settle the lane up to `charged`. */
export interface SkipEntry extends LaneId {
  kind: "skip";
  charged: bigint;
  reason: string;
  transaction: Hex;
}

export type Entry =
  | OpenEntry
  | PermitEntry
  | ReserveEntry
  | ChargeEntry
  | ReleaseEntry
  | SettleEntry
  | SkipEntry;

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
  /** The last one accepted: it covers all that the lane has promised so far. */
  permit: Permit | null;
  /** Which of its permits is used up, and which will be next. */
  usedUp: UsedUp;
  /** `charged` by price, oldest first; what lies above `settled` is due. */
  segments: Segment[];
  /**
   * Set when the escrow refused to settle; such a lane is served no more until it settles, or until
   * another permit takes the place of the one that was at fault.
   */
  refused: string | null;
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
}

export interface Book {
  readonly accounts: Map<Address, Account>;
  readonly reservations: Map<number, Reservation>;
  nextReservation: number;
  /** What runs have used and the escrow has not paid, over all lanes; USDC base units. */
  unsettledAmount: bigint;
  /** Of that, what lies on lanes that the escrow refused to settle; USDC base units. */
  refusedAmount: bigint;
  /** What is held and has not ended may still cost; USDC base units. */
  heldAmount: bigint;
}

export function emptyBook(): Book {
  return {
    accounts: new Map(),
    reservations: new Map(),
    nextReservation: 1,
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
export function dearestUnsettled({ settled, segments }: Lane): bigint {
  let dearest = 0n;
  for (const { upTo, price } of segments) if (upTo > settled && price > dearest) dearest = price;
  return dearest;
}

/**
 * Applies one entry.
 * @throws Error when the entry contradicts the book: a bug or a damaged file, never a user's doing
 */
export function apply(book: Book, entry: Entry): void {
  switch (entry.kind) {
    case "open":
      return openLane(book, entry);
    case "permit": {
      const lane = requireLane(book, entry);
      lane.permit = entry.permit;
      lane.usedUp = withPermit(lane.usedUp, entry.permit, lane.charged);
      // It was held against the permit before; what is owed is due again.
      if (lane.refused !== null) book.refusedAmount -= unsettledAmount(lane);
      lane.refused = null;
      return;
    }
    case "reserve": {
      add(book, entry, "held", 1n);
      assert(!book.reservations.has(entry.reservation), `reservation ${entry.reservation} twice`);
      book.reservations.set(entry.reservation, entry);
      book.heldAmount += entry.price;
      book.nextReservation = Math.max(book.nextReservation, entry.reservation + 1);
      return;
    }
    case "charge": {
      const { price } = endReservation(book, entry.reservation);
      const lane = add(book, entry, "charged", 1n);
      lane.usedUp = withCount(lane.usedUp, lane.charged);
      const isFirst = lane.segments.length === 0;
      // Also when it is settled already: a reorganised chain may make it due again.
      pushSegment(lane, price);
      // Credits below a lane's first run, which a reorganisation makes due again, had no price yet.
      if (isFirst) owe(book, lane, unsettledAmount(lane));
      else if (lane.charged > lane.settled) owe(book, lane, price);
      return;
    }
    case "release": {
      endReservation(book, entry.reservation);
      return;
    }
    case "settle": {
      // Not monotone: a reorganised chain may take a settlement back, and then it is due again.
      const before = requireLane(book, entry);
      const { settled } = before;
      owe(book, before, -unsettledAmount(before));
      const lane = add(book, entry, "settled", entry.settled - settled);
      lane.settledBlock = entry.block;
      lane.refused = null;
      owe(book, lane, unsettledAmount(lane));
      return;
    }
    case "skip": {
      const lane = requireLane(book, entry);
      if (lane.refused === null) book.refusedAmount += unsettledAmount(lane);
      lane.refused = entry.reason;
      return;
    }
  }
}

/** Counts what the lane owes, up or down. */
function owe(book: Book, lane: Lane, amount: bigint): void {
  book.unsettledAmount += amount;
  if (lane.refused !== null) book.refusedAmount += amount;
}

function openLane(book: Book, { payer, lane, charged }: OpenEntry): void {
  assert(laneOf(book, payer, lane) === undefined, `lane ${lane} opened twice`);
  const opened: Lane = {
    payer,
    lane,
    charged,
    held: 0n,
    settled: charged,
    settledBlock: 0n,
    permit: null,
    usedUp: NONE_USED_UP,
    segments: [],
    refused: null,
  };
  const account = book.accounts.get(payer) ??
    { lanes: new Map(), opened: 0n, charged: 0n, held: 0n, settled: 0n, prepaid: 0n };
  book.accounts.set(payer, account);
  account.lanes.set(lane, opened);
  account.opened += charged;
  account.charged += charged;
  account.settled += charged;
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

function pushSegment(lane: Lane, price: bigint): void {
  const last = lane.segments.at(-1);
  if (last && last.price === price && last.upTo === lane.charged - 1n) {
    last.upTo = lane.charged;
  } else lane.segments.push({ upTo: lane.charged, price });
}

function endReservation(book: Book, id: number): Reservation {
  const reservation = book.reservations.get(id);
  assert(reservation !== undefined, `reservation ${id} is not open`);
  book.reservations.delete(id);
  book.heldAmount -= reservation.price;
  add(book, reservation, "held", -1n);
  return reservation;
}

function requireLane(book: Book, { payer, lane }: LaneId): Lane {
  const found = laneOf(book, payer, lane);
  assert(found !== undefined, `lane ${lane} of ${payer} was never opened`);
  return found;
}

function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`the ledger contradicts itself: ${message}`);
}

/**
 * The provider's book as a pure reducer: entries in, balances out. The store keeps the entries;
 * everything the book knows follows from them, so a restart replays them and nothing can drift.
 */
import { markCharge, markSettled } from "./ages.ts";
import {
  type Account,
  accountOf,
  addLane,
  type Book,
  emptyBook,
  laneOf,
  lanesOf,
  outstandingOf,
  type Reservation,
} from "./book.ts";
import type { Entry, LaneId, OpenEntry, PermitEntry } from "./entries.ts";
import {
  dearestUnsettled,
  type Lane,
  outstanding,
  permitsWith,
  prepaid,
  type Segment,
  takePermit,
  unsettledAmount,
} from "./lane.ts";
import { SettledLately } from "./settled_lately.ts";
import { NONE_USED_UP, withCount } from "./used_up.ts";

export {
  type Account,
  accountOf,
  type Book,
  dearestUnsettled,
  emptyBook,
  type Lane,
  laneOf,
  lanesOf,
  outstanding,
  outstandingOf,
  permitsWith,
  prepaid,
  type Reservation,
  type Segment,
  unsettledAmount,
};
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

/**
 * Applies one entry.
 * @param at when it was written, ms since the epoch
 * @throws Error when the entry contradicts the book: a bug or a damaged file, never a user's doing
 */
export function apply(book: Book, entry: Entry, at: number): void {
  book.touched.add(change(book, entry, at));
}

/** A lane with all that is held on it, as it was kept, comes into the book. */
export function restore(
  book: Book,
  lane: Lane,
  held: Iterable<readonly [number, Reservation]>,
): void {
  const account = addLane(book, lane);
  owe(book, lane, unsettledAmount(lane));
  for (const [number, reservation] of held) hold(book, number, reservation);
  if (lane.settledBlock > 0n) (account.settledLately ??= new SettledLately()).note(lane);
  list(book, lane);
}

/** @returns the lane that the entry changed */
function change(book: Book, entry: Entry, at: number): Lane {
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
      lane.reserved.push(entry.reservation);
      hold(book, entry.reservation, entry);
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

function hold(book: Book, number: number, reservation: Reservation): void {
  book.reservations.set(number, reservation);
  book.heldAmount += reservation.price;
  book.nextReservation = Math.max(book.nextReservation, number + 1);
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

function setRefused(book: Book, lane: Lane, refused: string | null): Lane {
  const amount = unsettledAmount(lane);
  owe(book, lane, -amount);
  lane.refused = refused;
  owe(book, lane, amount);
  return list(book, lane);
}

function openLane(book: Book, { payer, lane, charged }: OpenEntry, at: number): Lane {
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
    opened: charged,
    reserved: [],
    listed: 0,
  };
  addLane(book, opened);
  return opened;
}

function addPermit(book: Book, entry: PermitEntry): Lane {
  const lane = requireLane(book, entry);
  takePermit(lane, { permit: entry.permit, signer: entry.signer ?? null });
  // It was held against the permits before; what is owed is due again.
  return setRefused(book, lane, null);
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
function list(book: Book, lane: Lane): Lane {
  const listed = placeOf(lane);
  const changed = listed ^ lane.listed;
  if (changed === 0) return lane;
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
  return lane;
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
  const lane = add(book, reservation, "held", -1n);
  lane.reserved.splice(lane.reserved.indexOf(id), 1);
  return { lane, price: reservation.price };
}

function requireLane(book: Book, { payer, lane }: LaneId): Lane {
  const found = laneOf(book, payer, lane);
  assert(found !== undefined, () => `lane ${lane} of ${payer} was never opened`);
  return found;
}

function assert(condition: boolean, message: () => string): asserts condition {
  if (!condition) throw new Error(`the ledger contradicts itself: ${message()}`);
}

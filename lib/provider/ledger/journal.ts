/**
 * The provider's book as a pure reducer: entries in, balances out. The ledger stores the entries;
 * everything it knows follows from them, so a restart replays them and nothing can drift.
 *
 * A lane is a counter of one payer. `charged` and `settled` are cumulative on it, as `consumed` is
 * in the escrow. charged > settled is work the escrow has not yet paid for; settled > charged is
 * credit taken before the run (`--settle each`) and not used: the lane's next calls are prepaid.
 */
import type { Address, Hex } from "viem";
import type { Permit } from "../../permit.ts";
import type { Outcome } from "../../receipt.ts";

export type { Outcome };

/** What a receipt will say of a charge. */
export interface RunFacts {
  /** The deployment's cid. */
  deployment: string;
  /** USDC base units. */
  price: bigint;
  /** The lane's count with this charge. */
  cumulative: bigint;
  /** sha256 of the request body; null when it had not arrived in full. */
  requestHash: Hex | null;
  responseHash: Hex;
  /** Unix ms. */
  startedAt: number;
  durationMs: number;
}

export type Entry =
  | { kind: "open"; payer: Address; lane: Hex; credits: bigint }
  | { kind: "permit"; payer: Address; lane: Hex; permit: Permit }
  | {
    kind: "reserve";
    payer: Address;
    lane: Hex;
    reservation: number;
    deployment: string;
    price: bigint;
  }
  | {
    kind: "charge";
    payer: Address;
    lane: Hex;
    reservation: number;
    outcome: Outcome;
    /** Only where the payer called itself. */
    facts?: RunFacts;
  }
  | { kind: "release"; payer: Address; lane: Hex; reservation: number; reason: string }
  | {
    kind: "settle";
    payer: Address;
    lane: Hex;
    credits: bigint;
    block: bigint;
    transaction: Hex | null;
  }
  | { kind: "skip"; payer: Address; lane: Hex; credits: bigint; reason: string; transaction: Hex };

/** Consecutive unsettled credits at one price, up to the cumulative count `credits`. */
export interface Segment {
  credits: bigint;
  price: bigint;
}

export interface Lane {
  readonly payer: Address;
  readonly lane: Hex;
  /** Cumulative credits that runs have used. */
  charged: bigint;
  /** Credits held for runs that have not ended, or have not come yet. */
  reserved: bigint;
  /** Cumulative credits that the escrow has taken, as far as we have seen. */
  settled: bigint;
  /** The block of the last settlement: views of earlier blocks do not know it yet. */
  settledBlock: bigint;
  /** The last one accepted: it covers all that the lane has promised so far. */
  permit: Permit | null;
  /** `charged` by price, oldest first; what lies above `settled` is due. */
  segments: Segment[];
  /** Set when the escrow refused to settle; such a lane is served no more until it settles. */
  refused: string | null;
}

export interface Reservation {
  readonly payer: Address;
  readonly lane: Hex;
  readonly deployment: string;
  readonly price: bigint;
}

/** The sums over all lanes of a payer, kept so that admission never walks them. */
export interface Account {
  readonly lanes: Map<Hex, Lane>;
  /** What the escrow had taken on each lane before it was opened here. */
  opened: bigint;
  charged: bigint;
  reserved: bigint;
  settled: bigint;
  /** Credits that the escrow has taken on some lane and that no run has used or holds. */
  prepaid: bigint;
}

export interface Book {
  readonly accounts: Map<Address, Account>;
  readonly reservations: Map<number, Reservation>;
  nextReservation: number;
  /** What runs have used and the escrow has not paid, over all lanes; USDC base units. */
  unsettled: bigint;
  /** What is reserved and has not ended may still cost; USDC base units. */
  held: bigint;
}

export function emptyBook(): Book {
  return {
    accounts: new Map(),
    reservations: new Map(),
    nextReservation: 1,
    unsettled: 0n,
    held: 0n,
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

/** Every lane of a payer with their sums, or undefined when it has none here. */
export function accountOf(book: Book, payer: Address): Account | undefined {
  return book.accounts.get(payer);
}

/** Credits used or held that the escrow has not taken yet; never negative. */
export function outstanding(lane: Lane): bigint {
  const open = lane.charged + lane.reserved - lane.settled;
  return open > 0n ? open : 0n;
}

/** Credits that the escrow has taken and no run has used or holds. */
export function prepaid(lane: Lane): bigint {
  const left = lane.settled - lane.charged - lane.reserved;
  return left > 0n ? left : 0n;
}

/** USDC base units that runs have used and the escrow has not paid. */
export function unsettledAmount(lane: Lane): bigint {
  let amount = 0n;
  let from = lane.settled;
  for (const segment of lane.segments) {
    if (segment.credits > from) {
      amount += (segment.credits - from) * segment.price;
      from = segment.credits;
    }
  }
  return amount;
}

/**
 * Applies one entry.
 * @throws Error when the entry contradicts the book: a bug or a damaged file, never a user's doing
 */
export function apply(book: Book, entry: Entry): void {
  switch (entry.kind) {
    case "open":
      return openLane(book, entry.payer, entry.lane, entry.credits);
    case "permit": {
      requireLane(book, entry.payer, entry.lane).permit = entry.permit;
      return;
    }
    case "reserve": {
      add(book, entry, "reserved", 1n);
      assert(!book.reservations.has(entry.reservation), `reservation ${entry.reservation} twice`);
      book.reservations.set(entry.reservation, entry);
      book.held += entry.price;
      book.nextReservation = Math.max(book.nextReservation, entry.reservation + 1);
      return;
    }
    case "charge": {
      const { price } = endReservation(book, entry.reservation);
      const lane = add(book, entry, "charged", 1n);
      // Also when it is settled already: a reorganised chain may make it due again.
      pushSegment(lane, price);
      if (lane.charged > lane.settled) book.unsettled += price;
      return;
    }
    case "release": {
      endReservation(book, entry.reservation);
      return;
    }
    case "settle": {
      // Not monotone: a reorganised chain may take a settlement back, and then it is due again.
      const before = requireLane(book, entry.payer, entry.lane);
      const { settled } = before;
      book.unsettled -= unsettledAmount(before);
      const lane = add(book, entry, "settled", entry.credits - settled);
      book.unsettled += unsettledAmount(lane);
      lane.settledBlock = entry.block;
      lane.refused = null;
      return;
    }
    case "skip": {
      requireLane(book, entry.payer, entry.lane).refused = entry.reason;
      return;
    }
  }
}

function openLane(book: Book, payer: Address, lane: Hex, credits: bigint): void {
  assert(laneOf(book, payer, lane) === undefined, `lane ${lane} opened twice`);
  const opened: Lane = {
    payer,
    lane,
    charged: credits,
    reserved: 0n,
    settled: credits,
    settledBlock: 0n,
    permit: null,
    segments: [],
    refused: null,
  };
  const account = book.accounts.get(payer) ??
    { lanes: new Map(), opened: 0n, charged: 0n, reserved: 0n, settled: 0n, prepaid: 0n };
  book.accounts.set(payer, account);
  account.lanes.set(lane, opened);
  account.opened += credits;
  account.charged += credits;
  account.settled += credits;
}

/** Lane and account always move together. */
function add(
  book: Book,
  { payer, lane: id }: { payer: Address; lane: Hex },
  count: "charged" | "reserved" | "settled",
  by: bigint,
): Lane {
  const lane = requireLane(book, payer, id);
  const account = book.accounts.get(payer)!;
  account.prepaid -= prepaid(lane);
  lane[count] += by;
  account[count] += by;
  account.prepaid += prepaid(lane);
  return lane;
}

function pushSegment(lane: Lane, price: bigint): void {
  const last = lane.segments.at(-1);
  if (last && last.price === price && last.credits === lane.charged - 1n) {
    last.credits = lane.charged;
  } else lane.segments.push({ credits: lane.charged, price });
}

function endReservation(book: Book, id: number): Reservation {
  const reservation = book.reservations.get(id);
  assert(reservation !== undefined, `reservation ${id} is not open`);
  book.reservations.delete(id);
  book.held -= reservation.price;
  add(book, reservation, "reserved", -1n);
  return reservation;
}

function requireLane(book: Book, payer: Address, lane: Hex): Lane {
  const found = laneOf(book, payer, lane);
  assert(found !== undefined, `lane ${lane} of ${payer} was never opened`);
  return found;
}

function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`the ledger contradicts itself: ${message}`);
}

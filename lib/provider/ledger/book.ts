/**
 * What the provider's book holds at a moment. Lanes that are level with the escrow and that nobody
 * has used for a while may be parked: they are kept elsewhere and come back when they are asked
 * for. The sums of an account are over all of a payer's lanes, wherever these are.
 */
import type { Address, Hex } from "viem";
import type { CidText } from "../../cid.ts";
import type { LaneId } from "./entries.ts";
import { type Lane, prepaid } from "./lane.ts";
import type { SettledLately } from "./settled_lately.ts";

/** What the book keeps of a credit that is held. */
export interface Reservation extends LaneId {
  readonly cid: CidText;
  readonly price: bigint;
}

/** The sums over a payer's parked lanes. They are level: what is charged is what is settled. */
export interface ParkedSums {
  /** How many they are. */
  readonly lanes: number;
  readonly opened: bigint;
  readonly charged: bigint;
}

/** Where parked lanes are. */
export interface Parked {
  /** A lane as it was parked; undefined: none is under that name. */
  lane(payer: Address, lane: Hex): Lane | undefined;
  /** Undefined: the payer has none. */
  sums(payer: Address): ParkedSums | undefined;
}

/** The sums over all lanes of a payer, kept so that a judgement never walks them. */
export interface Account {
  /** Those that are here. */
  readonly lanes: Map<Hex, Lane>;
  /** How many are parked, be they here again: with none of them nothing need be looked up. */
  parked: number;
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
  /** Of payers with a lane that is here. */
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
  parked: Parked;
  /** Lanes that an entry changed since the last checkpoint took them (checkpoint.ts). */
  touched: Set<Lane>;
  /** Others that may be parked, once nobody has touched them until the next checkpoint. */
  idle: Set<Lane>;
}

const NONE_PARKED: Parked = { lane: () => undefined, sums: () => undefined };

/** A book without entries. */
export function emptyBook(parked: Parked = NONE_PARKED): Book {
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
    parked,
    touched: new Set(),
    idle: new Set(),
  };
}

/** A payer's sums; undefined when it has no lane, here or parked. They are to be read at once. */
export function accountOf(book: Book, payer: Address): Account | undefined {
  const found = book.accounts.get(payer);
  if (found) return found;
  const sums = book.parked.sums(payer);
  return sums && emptyAccount(sums);
}

/** The lane of a payer, or undefined when it has never been opened here. */
export function laneOf(book: Book, payer: Address, lane: Hex): Lane | undefined {
  const account = accountOf(book, payer);
  if (account === undefined) return undefined;
  const found = account.lanes.get(lane);
  if (found !== undefined || account.parked === 0) return found;
  const recalled = book.parked.lane(payer, lane);
  if (recalled === undefined) return undefined;
  // The account's sums have it.
  account.lanes.set(lane, recalled);
  book.accounts.set(payer, account);
  book.idle.add(recalled);
  return recalled;
}

/** Every lane that is here. */
export function* lanesOf(book: Book): Iterable<Lane> {
  for (const { lanes } of book.accounts.values()) yield* lanes.values();
}

/** Credits of all lanes of a payer that are used or held and that the escrow has not taken yet. */
export function outstandingOf({ charged, held, settled, prepaid }: Account): bigint {
  return charged + held - settled + prepaid;
}

/** An account with a lane more, whose credits are counted nowhere yet. */
export function addLane(book: Book, lane: Lane): Account {
  const { payer, opened, charged, held, settled } = lane;
  const account = accountOf(book, payer) ?? emptyAccount();
  book.accounts.set(payer, account);
  account.lanes.set(lane.lane, lane);
  account.opened += opened;
  account.charged += charged;
  account.held += held;
  account.settled += settled;
  account.prepaid += prepaid(lane);
  return account;
}

/** Whether this is the lane that its name leads to. */
export function isHere(book: Book, lane: Lane): boolean {
  return book.accounts.get(lane.payer)?.lanes.get(lane.lane) === lane;
}

/**
 * Lets go of lanes that were parked; there may be none.
 * @param parked how many lanes a payer has parked now, where that has changed
 */
export function letGo(
  book: Book,
  lanes: readonly Lane[],
  parked: ReadonlyMap<Address, number>,
): void {
  const gone = new Set(lanes);
  for (const [payer, count] of parked) {
    const account = book.accounts.get(payer);
    if (account === undefined) continue;
    account.parked = count;
    if (gone.size > 0) account.settledLately?.forget(gone);
  }
  for (const { payer, lane } of lanes) {
    const account = book.accounts.get(payer)!;
    account.lanes.delete(lane);
    if (account.lanes.size === 0) book.accounts.delete(payer);
  }
}

/** An account of which no lane is here. */
export function emptyAccount(parked: ParkedSums = { lanes: 0, opened: 0n, charged: 0n }): Account {
  return {
    lanes: new Map(),
    parked: parked.lanes,
    opened: parked.opened,
    charged: parked.charged,
    held: 0n,
    settled: parked.charged,
    prepaid: 0n,
    unsettledAmount: 0n,
    open: 0,
    uneven: new Set(),
    settledLately: null,
  };
}

/**
 * The lanes whose counter at `block` may differ from ours: what is not level, and what was settled
 * later. On every other lane the escrow has taken exactly what runs have used.
 */
export function lanesToRead(
  account: Account | undefined,
  asked: readonly [lane: Hex, settled: bigint | null],
  block: bigint,
): ReadonlyMap<Hex, bigint | null> {
  const wanted = new Map([asked]);
  for (const { lane: id, charged, held, settled } of account?.uneven ?? []) {
    if (charged + held !== settled) wanted.set(id, settled);
  }
  for (const known of account?.settledLately?.above(block) ?? []) {
    wanted.set(known.lane, known.settled);
  }
  return wanted;
}

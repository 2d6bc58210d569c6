/**
 * What to do about transactions that are out, decided from what is known: a pure function, without
 * clock, chain or store, so that it can be tried against every course of events (plan_test.ts).
 *
 * An account's transactions are mined in the order of their nonces, each nonce once. A transaction
 * that is signed again under the same nonce replaces itself, so a call is mined once or never. What
 * is left to decide is what an unmined transaction needs: to be broadcast again, a higher fee, a
 * free nonce below it to be filled, to give way, or to be given up.
 */
import { clears, type Fees, freshFees, isFresh, type Price, raiseFees } from "./fees.ts";
import type { Standing } from "./store.ts";

/** A transaction that was signed and broadcast, and of which no end is known. */
export interface Flight extends Readonly<Standing> {
  readonly nonce: number;
  readonly gas: bigint;
  /** Of its newest form. */
  readonly fees: Fees;
  /** Every signed form, oldest and cheapest first. */
  readonly forms: ArrayLike<unknown>;
  /** When its newest form was first broadcast, ms. */
  readonly sentAt: number;
  /** When one of its forms was last broadcast, ms. */
  readonly broadcastAt: number;
  /** The chain's head when its newest form was broadcast or first looked at; null: unknown. */
  readonly sentHead: bigint | null;
  /** Whether the last broadcast was refused because the account cannot pay for it. */
  readonly lacksCoin: boolean;
}

/** How much is done for an unmined transaction, and when. All times in ms. */
export interface Policy {
  /** It is broadcast again this long after the last time, though the node has it. */
  rebroadcastAfterMs: number;
  /** It is given up this long after it was sent, though it may still be mined; null: never. */
  giveUpAfterMs: number | null;
  /** How its nonce is looked after; null: not at all, and the chain's count is not needed. */
  repair: Repair | null;
}

/** What is broadcast or signed again in one look; the lowest nonces come first. */
const EFFORTS = 8;

export interface Repair {
  /** The most that is paid for a unit of gas, wei, whatever it is for; null: no limit. */
  feeMax: bigint | null;
  /**
   * What may be a mistake or over in a moment must have lasted this long before it is acted on: a
   * fee that is too low, a nonce used by another transaction, a free nonce below ours. One node may
   * lag behind or count too far, and a chain reorganises.
   */
  afterMs: number;
  /** One in so many looks asks for all that may help, the others only for what is mined. */
  closeEvery: number;
  /** So many free nonces are filled; with more of them the count that we began at was wrong. */
  holeMax: number;
}

/** What the chain was asked in one look, and answered. */
export interface Seen<Receipt> {
  /**
   * The account's mined transactions, asked before the receipts, so that one counted here shows
   * its receipt there; null: not asked, or no answer.
   */
  count: number | null;
  /** By nonce: a receipt of any form, null where there is none; absent: not asked, or no answer. */
  receipts: ReadonlyMap<number, Receipt | null>;
  /** Nonces whose transaction the node says it does not know. */
  missing: ReadonlySet<number>;
  /** Null: not asked, or no answer. */
  price: Price | null;
}

/** What must last before it is acted on, with its beginnings; kept from one plan to the next. */
export interface Doubts {
  /** By nonce: since when the chain counts it as used while none of its forms has a receipt, ms. */
  readonly usedSince: ReadonlyMap<number, number>;
  /** Since when nothing of ours can be mined because a nonce below is free, ms; null: it can. */
  readonly holeSince: number | null;
}

export const NO_DOUBTS: Doubts = { usedSince: new Map(), holeSince: null };

/**
 * Why a transaction is given up. It is mined nevertheless only if the chain was wrong about its
 * nonce or kept its receipt back for all of `Repair.afterMs`, if a reorganisation takes back what
 * was mined in its place, if the account one day reaches a nonce that was far ahead, or if it was
 * only late.
 */
export type GiveUpReason =
  /** Another transaction of the account, which is none of ours, was mined under its nonce. */
  | "used elsewhere"
  /** More nonces below it are free than are filled. */
  | "far ahead"
  /** The policy waits no longer. */
  | "late";

export type Action<Receipt> =
  | { kind: "confirm"; nonce: number; receipt: Receipt }
  | { kind: "give up"; nonce: number; reason: GiveUpReason }
  /** Sign and broadcast transfers of nothing to ourselves under the free nonces of the range. */
  | { kind: "fill"; from: number; below: number }
  | Effort;

/** What is done so that a transaction is mined. */
export type Effort =
  /** Sign again under the same nonce, with these fees, and broadcast. */
  | { kind: "raise"; nonce: number; fees: Fees }
  /** The same with a transfer of nothing to ourselves in its place. */
  | { kind: "give way"; nonce: number; fees: Fees }
  /** Broadcast its forms again. */
  | { kind: "broadcast"; nonce: number };

export interface Situation<Receipt> {
  /** Also those that were sent after the chain was asked; those are in no receipt. */
  flights: readonly Flight[];
  doubts: Doubts;
  seen: Seen<Receipt>;
  now: number;
}

export interface Plan<Receipt> {
  /** In the order in which they are to be carried out, at most one for each nonce. */
  actions: Action<Receipt>[];
  doubts: Doubts;
}

/** Decides what to do about every flight. A flight without an action waits. */
export function plan<Receipt>(situation: Situation<Receipt>, policy: Policy): Plan<Receipt> {
  const hole = judgeHole(situation, policy.repair);
  const usedSince = new Map<number, number>();
  const ends: Action<Receipt>[] = [];
  const efforts: Effort[] = [];
  for (const flight of situation.flights) {
    const { nonce } = flight;
    const fate = judgeFlight(flight, hole, situation, policy);
    if (fate.kind === "confirm") ends.push({ kind: "confirm", nonce, receipt: fate.receipt });
    if (fate.kind === "give up") ends.push({ kind: "give up", nonce, reason: fate.reason });
    if (fate.kind === "try") efforts.push(...judgeEffort(flight, situation, policy));
    if (fate.kind === "doubt") usedSince.set(nonce, fate.since);
  }
  // The free nonces come first: no other effort helps before they are taken.
  const fills: Action<Receipt>[] = hole.kind === "fill" ? [hole] : [];
  const lowestFirst = efforts.sort((a, b) => a.nonce - b.nonce).slice(0, EFFORTS);
  return {
    actions: [...ends, ...fills, ...lowestFirst],
    doubts: { usedSince, holeSince: hole.kind === "doubt" ? hole.since : null },
  };
}

/** What the free nonces below ours ask for. */
type Hole =
  | { kind: "none" }
  | { kind: "doubt"; since: number }
  | { kind: "fill"; from: number; below: number }
  /** Too many: given up is what has this nonce or a higher one. */
  | { kind: "far"; from: number };

/**
 * Nothing of ours is mined while a nonce below is free: a reorganised chain has lost one, or a node
 * once counted too far.
 */
function judgeHole<Receipt>(situation: Situation<Receipt>, repair: Repair | null): Hole {
  const { flights, doubts: { holeSince }, seen: { count, receipts }, now } = situation;
  if (repair === null) return { kind: "none" };
  // Without an answer nothing is known to have changed.
  if (count === null) {
    return holeSince === null ? { kind: "none" } : { kind: "doubt", since: holeSince };
  }
  const waiting = flights.map(({ nonce }) => nonce).filter((nonce) =>
    nonce >= count && !receipts.get(nonce)
  );
  const lowest = Math.min(...waiting);
  if (waiting.length === 0 || lowest === count) return { kind: "none" };
  const since = holeSince ?? now;
  // Where receipts were not asked for, the next look that does so decides.
  const isAsked = waiting.every((nonce) => receipts.has(nonce));
  if (!isAsked || now - since < repair.afterMs) return { kind: "doubt", since };
  if (lowest - count > repair.holeMax) return { kind: "far", from: lowest };
  return { kind: "fill", from: count, below: lowest };
}

type Fate<Receipt> =
  | { kind: "confirm"; receipt: Receipt }
  | { kind: "give up"; reason: GiveUpReason }
  /** Its nonce counts as used, and that may be wrong. */
  | { kind: "doubt"; since: number }
  /** What is done for it is another question. */
  | { kind: "try" }
  | { kind: "wait" };

function judgeFlight<Receipt>(
  { nonce, sentAt }: Flight,
  hole: Hole,
  { doubts, seen: { count, receipts }, now }: Situation<Receipt>,
  { giveUpAfterMs, repair }: Policy,
): Fate<Receipt> {
  const receipt = receipts.get(nonce);
  if (receipt) return { kind: "confirm", receipt };
  if (giveUpAfterMs !== null && now - sentAt >= giveUpAfterMs) {
    return { kind: "give up", reason: "late" };
  }
  // A count that calls the nonce free ends the doubt; without a count it stays.
  const isFree = count !== null && count <= nonce;
  const usedSince = isFree ? null : doubts.usedSince.get(nonce) ?? null;
  if (receipt === undefined || (repair && count === null)) {
    return usedSince === null ? { kind: "wait" } : { kind: "doubt", since: usedSince };
  }
  if (repair) {
    if (!isFree) {
      const since = usedSince ?? now;
      if (now - since < repair.afterMs) return { kind: "doubt", since };
      return { kind: "give up", reason: "used elsewhere" };
    }
    if (hole.kind === "far" && nonce >= hole.from) return { kind: "give up", reason: "far ahead" };
  }
  return { kind: "try" };
}

/** What a transaction needs whose nonce is free; at most one thing. */
function judgeEffort<Receipt>(
  flight: Flight,
  situation: Situation<Receipt>,
  { rebroadcastAfterMs, repair }: Policy,
): Effort[] {
  const { nonce, broadcastAt, lacksCoin } = flight;
  const { seen: { price, missing }, now } = situation;
  if (repair && price && !lacksCoin) {
    const better = wayFor(flight, price, situation, repair) ??
      raiseOf(flight, price, situation, repair);
    if (better) return [better];
  }
  // What the account cannot pay for is missing, and offered no more often for it.
  const isLost = missing.has(nonce) && !lacksCoin;
  const isDue = isLost || now - broadcastAt >= rebroadcastAfterMs;
  return isDue ? [{ kind: "broadcast", nonce }] : [];
}

/** A relay whose fee is too low stands in front of no settlement. */
function wayFor<Receipt>(
  flight: Flight,
  price: Price,
  { flights, seen: { receipts } }: Situation<Receipt>,
  { feeMax }: Repair,
): Effort | null {
  const { nonce, rank, fees: last, forms } = flight;
  if (rank !== "relay" || clears(last, price)) return null;
  const isWaitedFor = flights.some((other) =>
    other.rank === "settlement" && other.nonce > nonce && !receipts.get(other.nonce)
  );
  if (!isWaitedFor) return null;
  const own = raiseFees(last, freshFees(price), lesser(worthOf(flight), feeMax), forms.length);
  if (own && clears(own, price)) return { kind: "raise", nonce, fees: own };
  const fees = raiseFees(last, freshFees(price), feeMax, forms.length);
  return fees && { kind: "give way", nonce, fees };
}

/**
 * A higher fee for what has waited, while blocks were made, at less than what is paid now. For all
 * else that keeps it from being mined a higher fee is no cure.
 */
function raiseOf<Receipt>(
  flight: Flight,
  price: Price,
  { flights, now }: Situation<Receipt>,
  { afterMs, feeMax }: Repair,
): Effort | null {
  const { nonce, sentAt, sentHead, fees: last, forms } = flight;
  const hasWaited = now - sentAt >= afterMs && sentHead !== null && price.head > sentHead;
  if (!hasWaited || isFresh(last, price)) return null;
  const cap = lesser(carriedWorth(flight, flights), feeMax);
  const fees = raiseFees(last, freshFees(price), cap, forms.length);
  return fees && { kind: "raise", nonce, fees };
}

/** The most that a unit of its gas may cost, wei, by what the transaction is worth; null: any. */
function worthOf({ costMax, gas }: Flight): bigint | null {
  return costMax === null ? null : costMax / gas;
}

/** It carries those behind it, so it may cost what the dearest of them may. */
export function carriedWorth(flight: Flight, flights: readonly Flight[]): bigint | null {
  // A filler is worth nothing, and cheap.
  const carried = flights.filter(({ nonce, rank }) => nonce > flight.nonce && rank !== "filler");
  return [flight, ...carried].map(worthOf).reduce((a, b) =>
    a === null || b === null ? null : a > b ? a : b
  );
}

/** Of two limits, null being none. */
export function lesser(a: bigint | null, b: bigint | null): bigint | null {
  if (a === null || b === null) return a ?? b;
  return a < b ? a : b;
}

/**
 * What to do about transactions that are out, decided from what is known: a pure function, without
 * clock, chain or store, so that it can be tried against every course of events (plan_test.ts).
 *
 * An account's transactions are mined in the order of their nonces, each nonce once. A transaction
 * that is signed again under the same nonce replaces itself, so a call is mined once or never. What
 * is left to decide is what an unmined transaction needs: to be broadcast again, a higher fee, a
 * free nonce below it to be filled, or to be given up.
 */

/** A transaction that was signed and broadcast, and of which no end is known. */
export interface Flight {
  readonly nonce: number;
  /** When its newest signed form was first broadcast, ms. */
  readonly sentAt: number;
  /** When one of its forms was last broadcast, ms. */
  readonly broadcastAt: number;
}

/** How much is done for an unmined transaction, and when. All times in ms. */
export interface Policy {
  /** It is broadcast again this long after the last time; 0: whenever it is looked at. */
  rebroadcastAfterMs: number;
  /** It is given up this long after it was sent, though it may still be mined; null: never. */
  giveUpAfterMs: number | null;
  /** How its nonce is looked after; null: not at all, and the chain's count is not needed. */
  repair: Repair | null;
}

export interface Repair {
  /**
   * What may be a mistake or over in a moment must have lasted this long before it is acted on: a
   * fee that is too low, a nonce used by another transaction, a free nonce below ours. One node may
   * lag behind or count too far, and a chain reorganises.
   */
  afterMs: number;
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
  /** Sign again under the same nonce, with the fees of `raiseFees`, and broadcast. */
  | { kind: "raise"; nonce: number }
  /** Broadcast the newest form again. */
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
  const efforts: Action<Receipt>[] = [];
  for (const flight of situation.flights) {
    const { nonce } = flight;
    const fate = judgeFlight(flight, hole, situation, policy);
    if (fate.kind === "confirm") ends.push({ kind: "confirm", nonce, receipt: fate.receipt });
    if (fate.kind === "give up") ends.push({ kind: "give up", nonce, reason: fate.reason });
    if (fate.kind === "raise" || fate.kind === "broadcast") {
      efforts.push({ kind: fate.kind, nonce });
    }
    if (fate.kind === "doubt") usedSince.set(nonce, fate.since);
  }
  // The free nonces come first: no other effort helps before they are taken.
  const fills: Action<Receipt>[] = hole.kind === "fill" ? [hole] : [];
  return {
    actions: [...ends, ...fills, ...efforts],
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
  if (now - since < repair.afterMs) return { kind: "doubt", since };
  if (lowest - count > repair.holeMax) return { kind: "far", from: lowest };
  return { kind: "fill", from: count, below: lowest };
}

type Fate<Receipt> =
  | { kind: "confirm"; receipt: Receipt }
  | { kind: "give up"; reason: GiveUpReason }
  /** Its nonce counts as used, and that may be wrong. */
  | { kind: "doubt"; since: number }
  | { kind: "raise" | "broadcast" | "wait" };

function judgeFlight<Receipt>(
  { nonce, sentAt, broadcastAt }: Flight,
  hole: Hole,
  { doubts, seen: { count, receipts }, now }: Situation<Receipt>,
  { rebroadcastAfterMs, giveUpAfterMs, repair }: Policy,
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
    if (now - sentAt >= repair.afterMs) return { kind: "raise" };
  }
  return { kind: now - broadcastAt >= rebroadcastAfterMs ? "broadcast" : "wait" };
}

/** From what the next nonce is chosen. */
export interface NonceBasis {
  /** The nonce after the last one that we chose; null when it is not to be relied on. */
  own: number | null;
  /** What the node counts with what it holds unmined; null: not asked. */
  pending: number | null;
  /** Nonces of what is out. */
  out: readonly number[];
}

/**
 * The next transaction's nonce, never one that is out.
 * @returns null when the node must be asked for its count first
 */
export function chooseNonce(basis: NonceBasis, { repair }: Policy): number | null {
  const { own, pending, out } = basis;
  if (repair) {
    // Our own count may be off, after a reorganisation say: filling and giving up mend that. The
    // node's may be off at any time, so it is asked only where there is no other.
    if (own !== null) return own;
    return pending === null ? null : Math.max(pending, ...out.map((nonce) => nonce + 1));
  }
  // Nothing is mended, so each time the node is asked, which may lag behind what is out.
  if (pending === null) return null;
  let nonce = out.length > 0 && own !== null ? Math.max(pending, own) : pending;
  while (out.includes(nonce)) nonce += 1;
  return nonce;
}

export interface Fees {
  /** Wei for a unit of gas. */
  maxFeePerGas: bigint;
  maxPriorityFeePerGas: bigint;
}

/** A stuck transaction is replaced at 1.25 times its fees; nodes ask for at least 1.1 times. */
export function raiseFees({ maxFeePerGas, maxPriorityFeePerGas }: Fees): Fees {
  return {
    maxFeePerGas: maxFeePerGas * 5n / 4n + 1n,
    maxPriorityFeePerGas: maxPriorityFeePerGas * 5n / 4n + 1n,
  };
}

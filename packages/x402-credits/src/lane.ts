/**
 * One lane's count, and how far it may be signed: pure decisions, nothing awaited in between, so
 * that calls at the same time cannot share a credit. What a provider can ever charge is `signed`,
 * whatever it says; it is told apart from `charged`, which it says, and from `called`, beyond which
 * what it says cannot be true of calls that we made.
 */
import type { Address, Hex } from "viem";
import type { EscrowDomain } from "../../../lib/permit.ts";

/** Of one price, as the highest that is signed for a lane counts for all that is due on it. */
export interface Lane extends EscrowDomain {
  readonly provider: Address;
  readonly id: Hex;
  /** Of one credit, USDC base units. */
  readonly price: bigint;
  /** Of `signed`, what was signed elsewhere and could be charged anyhow: it costs nothing more. */
  base: bigint;
  /** The most credits that a permit of ours covers. */
  signed: bigint;
  /** What the provider told, as far as that can be true. */
  charged: bigint;
  /** What the calls that were made can have been charged, at most, where each takes one. */
  called: bigint;
  /** A run of it may have taken several: as many as its permit covered. */
  takesSeveral: boolean;
  /** Until when each call under way may still be answered, Unix ms. */
  underway: number[];
}

/** One call that is to be paid. */
export interface Call {
  /** How many credits its run may take. */
  readonly credits: bigint;
  /** Whether any run there takes one at most. */
  readonly isSingle: boolean;
  /** The most that the lane may be signed for, credits. */
  readonly ceiling: bigint;
  /** Unix ms. */
  readonly now: number;
  /** When its answer is overdue, Unix ms. */
  readonly until: number;
}

/** A lane that nothing was signed for. */
export function newLane(known: EscrowDomain & { provider: Address; id: Hex; price: bigint }): Lane {
  return {
    ...known,
    base: 0n,
    signed: 0n,
    charged: 0n,
    called: 0n,
    takesSeveral: false,
    underway: [],
  };
}

/** What its permits can cost beyond what could be charged anyhow, USDC base units. */
export function exposure({ signed, base, price }: Lane): bigint {
  return (signed - base) * price;
}

/**
 * Takes note of a call, and says how many credits its permit has to cover: those of all calls under
 * way, as none knows which of them comes first, and where there are several as many again, as later
 * ones may overtake it. Where a run may take several that would only be spent on longer runs.
 * @returns null, and nothing is noted, when the ceiling does not cover it
 */
export function takeTurn(lane: Lane, call: Call): bigint | null {
  const { credits, isSingle, ceiling, now, until } = call;
  lane.underway = lane.underway.filter((end) => end > now);
  const due = BigInt(lane.underway.length + 1) * credits;
  const needed = lane.charged + due;
  if (needed > ceiling) return null;
  const wanted = needed + (isSingle && lane.underway.length > 0 ? due : 0n);
  lane.underway.push(until);
  lane.signed = greater(lane.signed, wanted < ceiling ? wanted : ceiling);
  lane.called += credits;
  lane.takesSeveral ||= !isSingle;
  return lane.signed;
}

/** A call was answered, or never sent: which of them it was makes no difference. */
export function endTurn(lane: Lane): void {
  lane.underway.shift();
}

/** A call was refused, so it was not charged. */
export function takeBack(lane: Lane): void {
  lane.called = greater(lane.called - 1n, lane.charged);
}

/** The highest count that can be true: neither called for nor signed for is more. */
export function credible({ called, signed, takesSeveral }: Lane): bigint {
  return called < signed && !takesSeveral ? called : signed;
}

/** Notes what an answer says is charged, as far as it can be true. */
export function noteCharged(lane: Lane, told: bigint): void {
  const most = credible(lane);
  lane.charged = greater(lane.charged, told < most ? told : most);
}

/** Notes a permit from elsewhere that covers so many credits: they could be charged anyhow. */
export function noteProved(lane: Lane, credits: bigint): void {
  if (credits <= lane.signed) return;
  lane.base += credits - lane.signed;
  lane.signed = credits;
  lane.called = greater(lane.called, credits);
}

/** Takes a provider's word for a count: what is signed from there on pays for it like for calls. */
export function noteBelieved(lane: Lane, told: bigint): void {
  lane.called = greater(lane.called, told);
  lane.charged = greater(lane.charged, told);
}

function greater(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}

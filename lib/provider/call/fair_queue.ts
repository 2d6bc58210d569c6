/**
 * Which call has a slot next: a pure data structure, whose clock is an argument. Owners of
 * deployments share the slots, the payers of an owner share what is its own, and the calls of a
 * payer come in their order (`slot_share.ts` says what sharing is). A call beyond its deployment's
 * own limit waits in the same line, and is nobody's rival until the limit allows one more.
 * While others could have a slot, no owner takes one beyond half of them.
 *
 * A call costs O(log n) of those that wait, and more in two cases: owners are passed over as they
 * hold much (a quarter of the slots can be so many), or its payer's calls wait at many deployments
 * of an owner, and another payer's as well, as then each of its lines has another place.
 */
import { Heap } from "../../heap.ts";
import { TransientSet } from "../../transient_set.ts";
import {
  type CallOf,
  type Gate,
  type Holding,
  Line,
  newTurn,
  type Owner,
  Parties,
  type Payer,
  payerOf,
  type Refusal,
  type RefusalReason,
  type Turn,
} from "./parties.ts";
import { RunPace } from "./run_pace.ts";
import { type Caller, type Forecast, forecastOf } from "./slot_forecast.ts";
import { Contest, leavesRoom, roomLeft } from "./slot_share.ts";

export interface QueueBounds {
  readonly slots: number;
  /** Calls that wait, in all. */
  readonly waitingMax: number;
  /** Of them those that one payer pays for itself, of one owner's. */
  readonly payerWaitingMax: number;
  /** How long one waits, ms. */
  readonly waitMs: number;
  /** Nobody is told to come back later than in so long, ms. */
  readonly retryMsMax: number;
}

/** That a deployment lacks a slot is noted no more often than so, ms. */
const LACK_NOTED_MS = 250;

/** An owner that had more than the others is passed over for no more than a second of all slots. */
const LEAD_MS_PER_SLOT = 1_000;

export class FairQueue {
  #busy = 0;
  #aside = 0;
  #order = 0;
  /** Owners with calls or runs. */
  #active = 0;
  /** Of all runs. */
  readonly #pace = new RunPace();
  readonly #contest = new Contest();
  readonly #ready = new Heap<Owner>((one, other) => {
    return (one.share.compare(other.share) || one.order - other.order) < 0;
  });
  /** The same ones, with who holds least first. */
  readonly #holdings = new Heap<Holding>(({ owner: one }, { owner: other }) => {
    return one.share.held < other.share.held;
  });
  readonly #parties = new Parties(this.#contest);
  readonly #waiting = new TransientSet<Turn>();
  /** Had a slot before, and are first: what they waited for is kept for them. */
  #returning: Turn[] = [];

  constructor(private readonly bounds: QueueBounds) {}

  get busy(): number {
    return this.#busy;
  }

  get waiting(): number {
    return this.#waiting.size + this.#returning.length;
  }

  /** Calls that left their slot for a while. */
  get aside(): number {
    return this.#aside;
  }

  /** How long a call waits at most, ms. */
  get waitMs(): number {
    return this.bounds.waitMs;
  }

  gates(): Iterable<Gate> {
    return this.#parties.gates();
  }

  /** Whether a deployment's owner may have one slot more, with what is left for others. */
  hasRoomFor({ owner }: Gate): boolean {
    return leavesRoom(owner.share.held, this.bounds.slots - this.#busy);
  }

  /** A turn that runs, or waits, or why there is none. */
  ask(about: CallOf, now: number): Turn | Refusal {
    const gate = this.#parties.gateOf(about);
    const { owner } = gate;
    const payer = payerOf(owner, about.payer);
    const isFree = this.#hasSlotFor(gate);
    const refusal = isFree ? null : this.#whyNotWait(gate, payer, now, true);
    if (refusal) {
      if (gate.isOpen()) gate.lackedAt = now;
      return refusal;
    }
    if (owner.users === 0) this.#active += 1;
    const turn = newTurn(gate, payer, this.#order++);
    for (const user of [gate, owner, payer]) user.users += 1;
    if (isFree) this.#begin(turn, now);
    else this.#enqueue(turn, now);
    return turn;
  }

  /**
   * Why a call would be refused whose payer has not shown yet that it is one, or can pay; null: it
   * would not, or is to be asked for once it has. Only then do others leave a slot to it.
   */
  refusalOf(about: CallOf, now: number): Refusal | null {
    const gate = this.#parties.gateOf(about);
    if (this.#hasSlotFor(gate)) return null;
    if (gate.isOpen() && !gate.lacksSlot(now - LACK_NOTED_MS)) return null;
    return this.#whyNotWait(gate, gate.owner.payers.get(about.payer), now, about.payer === null);
  }

  /** It waits or runs no more; does nothing to one that does neither. */
  leave(turn: Turn, now: number): void {
    const { state, gate, owner, payer } = turn;
    if (state === "over") return;
    if (state === "running") this.#end(turn, now);
    else if (state === "waiting") this.#dequeue(turn);
    else if (state === "aside") this.#aside -= 1;
    else this.#returning.splice(this.#returning.indexOf(turn), 1);
    turn.state = "over";
    for (const user of [gate, owner, payer]) user.users -= 1;
    if (owner.users === 0) this.#active -= 1;
    if (state === "running") this.#dispatch(now);
  }

  /** It leaves its slot for a while. */
  stepAside(turn: Turn, now: number): void {
    this.#end(turn, now);
    turn.state = "aside";
    this.#aside += 1;
    this.#dispatch(now);
  }

  /** It runs again, or waits, before any that never ran. */
  comeBack(turn: Turn, now: number): void {
    this.#aside -= 1;
    turn.state = "returning";
    turn.since = now;
    this.#returning.push(turn);
    this.#dispatch(now);
  }

  /**
   * Refuses those that have waited for too long.
   * @returns how long until the next will have, ms; Infinity: nobody waits
   */
  expire(now: number): number {
    let next = Infinity;
    for (const turn of this.#allWaiting()) {
      const left = turn.since + this.bounds.waitMs - now;
      if (left <= 0) this.#giveUp(turn, now);
      else next = Math.min(next, left);
    }
    return next;
  }

  /** Refuses all that wait. */
  clear(now: number): void {
    for (const turn of this.#allWaiting()) this.#giveUp(turn, now);
  }

  #allWaiting(): Turn[] {
    return [...this.#waiting.all(), ...this.#returning];
  }

  #giveUp(turn: Turn, now: number): void {
    const { gate, payer, settle } = turn;
    this.leave(turn, now);
    if (gate.isOpen()) gate.lackedAt = now;
    settle?.(this.#refusal("late", { gate, payer }, now, true));
  }

  #hasSlotFor(gate: Gate): boolean {
    return gate.isOpen() && this.hasRoomFor(gate);
  }

  /** Slots go to who is next, as long as there are any for it. */
  #dispatch(now: number): void {
    if (this.#returning.length > 0) this.#welcomeBack(now);
    for (;;) {
      const owner = this.#next();
      if (!owner) return;
      const turn = owner.open.first()!.lines.first()!.turns.first()!;
      this.#dequeue(turn);
      this.#begin(turn, now);
      turn.settle?.(null);
    }
  }

  /** Of those that may have a slot the one that had the least. */
  #next(): Owner | null {
    const free = this.bounds.slots - this.#busy;
    const least = this.#holdings.first();
    if (!least || !leavesRoom(least.owner.share.held, free)) return null;
    const half = this.#ready.size > 1 ? Math.ceil(this.bounds.slots / 2) : Infinity;
    const passed: Owner[] = [];
    let next = this.#ready.first()!;
    // Who holds the least may always: of two that want one, one has less than half.
    while (next.share.held >= half || !leavesRoom(next.share.held, free)) {
      this.#ready.remove(next);
      passed.push(next);
      next = this.#ready.first()!;
    }
    for (const owner of passed) this.#ready.add(owner);
    return next;
  }

  #welcomeBack(now: number): void {
    this.#returning = this.#returning.filter((turn) => {
      if (this.#busy >= this.bounds.slots || !turn.gate.isOpen()) return true;
      this.#begin(turn, now);
      turn.settle?.(null);
      return false;
    });
  }

  #begin(turn: Turn, now: number): void {
    const { gate, owner, payer } = turn;
    const wasReady = this.#lift(owner, payer);
    turn.charges = { owner: owner.share.take(), payer: payer.share.take() };
    this.#lower(owner, payer, wasReady);
    for (const pace of [this.#pace, owner.pace, gate.pace]) pace.began(now);
    this.#busy += 1;
    turn.state = "running";
    turn.since = now;
    if (gate.waiting === 0) gate.lackedAt = null;
    else this.#regate(gate);
  }

  #end({ gate, owner, payer, since, charges }: Turn, now: number): void {
    const wasReady = this.#lift(owner, payer);
    owner.share.giveBack(charges.owner, now - since);
    payer.share.giveBack(charges.payer, now - since);
    this.#lower(owner, payer, wasReady);
    for (const pace of [this.#pace, owner.pace, gate.pace]) pace.ended(since, now);
    this.#busy -= 1;
    if (gate.waiting > 0) this.#regate(gate);
  }

  #enqueue(turn: Turn, now: number): void {
    const { gate, owner, payer } = turn;
    turn.since = now;
    if (gate.isOpen()) gate.lackedAt = now;
    if (owner.waiting === 0) owner.contest.begin();
    if (payer.waiting === 0) {
      owner.payersWaiting += 1;
      payer.share.enter();
      const next = gate.lines.first() ?? owner.open.first()?.lines.first();
      if (next) payer.share.catchUp(next.payer.share);
    }
    const known = payer.lines.get(gate);
    const line = known ?? new Line(payer, gate);
    line.turns.add(turn);
    this.#waiting.add(turn);
    for (const crowd of [gate, owner, payer]) crowd.waiting += 1;
    if (!known) {
      payer.lines.set(gate, line);
      // Its deployment may have another first line by it.
      owner.open.remove(gate);
      gate.lines.add(line);
    }
    this.#regate(gate);
  }

  #dequeue(turn: Turn): void {
    const { gate, owner, payer } = turn;
    const line = payer.lines.get(gate)!;
    owner.open.remove(gate);
    gate.lines.remove(line);
    line.turns.remove(turn);
    if (line.turns.size > 0) gate.lines.add(line);
    else payer.lines.delete(gate);
    this.#waiting.delete(turn);
    for (const crowd of [gate, owner, payer]) crowd.waiting -= 1;
    if (payer.waiting === 0) owner.payersWaiting -= 1;
    this.#regate(gate);
  }

  /** Takes out of their order what is sorted by what the two hold. */
  #lift(owner: Owner, payer: Payer): boolean {
    if (isRival(owner, payer)) {
      for (const [gate, line] of payer.lines) {
        owner.open.remove(gate);
        gate.lines.remove(line);
      }
    }
    return this.#leaveReady(owner);
  }

  #lower(owner: Owner, payer: Payer, wasReady: boolean): void {
    if (isRival(owner, payer)) {
      for (const [gate, line] of payer.lines) {
        gate.lines.add(line);
        if (gate.isOpen()) owner.open.add(gate);
      }
    }
    if (!wasReady) return;
    const next = this.#ready.first();
    if (next) owner.share.waitFor(next.share, LEAD_MS_PER_SLOT * this.bounds.slots);
    this.#joinReady(owner);
  }

  #joinReady(owner: Owner): void {
    this.#ready.add(owner);
    this.#holdings.add(owner.holding);
  }

  #leaveReady(owner: Owner): boolean {
    this.#holdings.remove(owner.holding);
    return this.#ready.remove(owner);
  }

  /** A deployment's runs or waiting calls have become more or less. */
  #regate(gate: Gate): void {
    const { owner } = gate;
    const limited = gate.isOpen() ? 0 : gate.waiting;
    owner.limited += limited - gate.limited;
    gate.limited = limited;
    const isOpen = gate.isOpen() && gate.lines.size > 0;
    if (!isOpen) owner.open.remove(gate);
    else if (gate.heapAt < 0) owner.open.add(gate);
    if (owner.open.size === 0) this.#leaveReady(owner);
    else if (owner.heapAt < 0) this.#enter(owner);
  }

  #enter(owner: Owner): void {
    const next = this.#ready.first();
    if (!next) this.#contest.begin();
    owner.share.enter();
    if (next) owner.share.catchUp(next.share);
    owner.order = this.#order++;
    this.#joinReady(owner);
  }

  /** @param isNoted whether it counts on the call to come back when it was told to */
  #whyNotWait(
    gate: Gate,
    payer: Payer | undefined,
    now: number,
    isNoted: boolean,
  ): Refusal | null {
    const { waitingMax, payerWaitingMax, waitMs } = this.bounds;
    const caller = { gate, payer };
    const { ownMs, slotMs } = this.#forecast(caller, now);
    if (Math.max(ownMs, slotMs) > waitMs) return this.#refusal("slow", caller, now, isNoted);
    const room = roomLeft(gate.owner.waiting, waitingMax - this.waiting);
    const waiting = payer?.waiting ?? 0;
    const isPayersMost = payer?.isOther === true && waiting >= payerWaitingMax;
    if (!isPayersMost && leavesRoom(waiting, room)) return null;
    return this.#refusal("full", caller, now, isNoted);
  }

  /** Counts on those to come back who were told so before. */
  #refusal(reason: RefusalReason, caller: Caller, now: number, isNoted: boolean): Refusal {
    const { ownMs, slotMs, isOwnLimit, stepMs } = this.#forecast(caller, now);
    const { gate, payer } = caller;
    const before = payer?.isOther ? payer : gate;
    const known = isNoted || before === payer ? before.expectedAt : 0;
    const at = Math.max(now + Math.max(ownMs, slotMs), known + stepMs);
    const expectedAt = Math.min(at, now + this.bounds.retryMsMax);
    if (isNoted) before.expectedAt = expectedAt;
    return { reason, isOwnLimit, retryMs: expectedAt - now };
  }

  #forecast(caller: Caller, now: number): Forecast {
    const isNew = caller.gate.owner.users === 0;
    const around = {
      slots: this.bounds.slots,
      busy: this.#busy,
      active: this.#active + (isNew ? 1 : 0),
      ready: this.#ready.size,
      pace: this.#pace,
      hasSlot: this.hasRoomFor(caller.gate),
    };
    return forecastOf(caller, around, now);
  }
}

/** Whether others wait as well: among a payer's own calls what it holds decides nothing. */
function isRival(owner: Owner, payer: Payer): boolean {
  return owner.waiting > payer.waiting;
}

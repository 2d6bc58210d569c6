/**
 * A payer's account and lanes as the database had them last, with what this node has queued on top:
 * that counts at once for every judgement made here.
 */
import type { Address, Hex } from "viem";
import { type Account, emptyAccount } from "../book.ts";
import type { Lane } from "../lane.ts";
import { type LaneJson, laneOfJson, type LookJson, takeAccount } from "./lane_json.ts";
import { LaneDesk } from "./lane_desk.ts";
import type { TurnAnswer } from "./turn.ts";

/** What a node holds ahead, of all payers. */
export interface AheadSums {
  credits: number;
  /** What it may cost, USDC base units. */
  amount: bigint;
}

export class PayerLanes {
  readonly account: Account = emptyAccount();
  /** In the database; empty: it knows no such payer. */
  accountId = "";
  readonly #lanes = new Map<Hex, LaneDesk>();
  /** Those with something queued: a payer may have thousands of others. */
  readonly #queued = new Set<LaneDesk>();
  /** Credits held ahead. */
  #spare = 0;
  /** The highest number that a turn had which is forgotten. */
  #turn: number;

  /** @param turn which no turn of this node had that is forgotten, nor a later one */
  constructor(readonly payer: Address, private readonly sums: AheadSums, turn = 0) {
    this.#turn = turn;
  }

  /** The highest number that a turn here had. */
  get lastTurn(): number {
    return this.#lanes.values().reduce((last, { turn }) => Math.max(last, turn), this.#turn);
  }

  get size(): number {
    return this.#lanes.size;
  }

  /** Whether something is queued. */
  get isQueued(): boolean {
    return this.#queued.size > 0;
  }

  /** Credits that are to be charged or given back. */
  get ended(): number {
    let ended = 0;
    for (const { rows, releases } of this.#queued) ended += rows.length + releases;
    return ended;
  }

  /** Whether calls wait for credits. */
  get isWanted(): boolean {
    return this.#queued.values().some(({ wants }) => wants.length > 0);
  }

  /** As the database takes them: the last one's answer has the sums of all. */
  queued(): LaneDesk[] {
    return [...this.#queued].sort((one, other) => Number(one.id) - Number(other.id));
  }

  /** Something is queued on the lane. */
  note(desk: LaneDesk): void {
    this.#queued.add(desk);
  }

  /** Nobody waits for it any more: with nothing to be charged or given back nothing is queued. */
  tidy(desk: LaneDesk): void {
    if (!desk.isQueued) this.#queued.delete(desk);
  }

  /** The same, for whoever sends what is queued. */
  takeQueued(): LaneDesk[] {
    const queued = this.queued();
    this.#queued.clear();
    return queued;
  }

  /** It is known no more. */
  forget(desk: LaneDesk): void {
    const { lane } = desk.lane;
    this.#turn = Math.max(this.#turn, desk.turn);
    this.#queued.delete(desk);
    this.#lanes.delete(lane);
    this.account.lanes.delete(lane);
  }

  all(): Iterable<LaneDesk> {
    return this.#lanes.values();
  }

  find(lane: Hex): LaneDesk | undefined {
    return this.#lanes.get(lane);
  }

  /** @throws Error for a lane that is not known */
  get(lane: Hex): LaneDesk {
    const desk = this.#lanes.get(lane);
    if (desk === undefined) throw new Error(`lane ${lane} of ${this.payer} is not known here`);
    return desk;
  }

  /** Credits held ahead on a lane, or on all. */
  spare(lane?: Hex): number {
    return lane === undefined ? this.#spare : this.#lanes.get(lane)?.ahead.spare ?? 0;
  }

  /** What the database tells now; it was asked at `askedAt`. */
  take({ account, standing, lane }: LookJson, askedAt: number): void {
    this.accountId = String(account.id);
    takeAccount(this.account, account, standing);
    if (lane) this.#countQueued(this.#takeLane(lane, askedAt));
    this.#countQueuedOfAccount();
  }

  /** What turns of some lanes came to, in the order in which the database took them. */
  takeAnswers(answers: readonly (readonly [LaneDesk, TurnAnswer])[], askedAt: number): void {
    for (const [desk, answer] of answers) {
      this.#takeAnswer(desk, answer, askedAt);
      this.#countQueued(desk);
    }
    this.#countQueuedOfAccount();
  }

  /** Credits on a lane that are queued from now on: charged, and held no more. */
  queue(desk: LaneDesk, charged: number, released: number): void {
    const { lane } = desk;
    this.note(desk);
    lane.charged += BigInt(charged);
    lane.held -= BigInt(charged + released);
    this.account.charged += BigInt(charged);
    this.account.held -= BigInt(charged + released);
  }

  #takeLane(json: LaneJson, askedAt: number): LaneDesk {
    const lane = laneOfJson(this.payer, json);
    const known = this.#lanes.get(lane.lane) ?? this.#deskFor(lane, json);
    Object.assign(known.lane, lane);
    known.version = json.version;
    known.askedAt = askedAt;
    this.#lanes.set(lane.lane, known);
    this.account.lanes.set(lane.lane, known.lane);
    return known;
  }

  #deskFor(lane: Lane, { id, version }: LaneJson): LaneDesk {
    return new LaneDesk(String(id), lane, version, this.#turn, (credits, amount) => {
      this.#spare += credits;
      this.sums.credits += credits;
      this.sums.amount += amount;
    });
  }

  #takeAnswer(desk: LaneDesk, answer: TurnAnswer, askedAt: number): void {
    const { lane } = desk;
    desk.turn += 1;
    desk.askedAt = askedAt;
    if (answer.anew) this.#takeLane(answer.anew, askedAt);
    else {
      const last = lane.segments.at(-1);
      if (last) last.upTo = answer.charged;
    }
    lane.charged = answer.charged;
    lane.held = answer.held;
    this.account.charged = answer.used;
    this.account.held = answer.accountHeld;
  }

  #countQueued({ lane, rows, releases }: LaneDesk): void {
    lane.charged += BigInt(rows.length);
    lane.held -= BigInt(rows.length + releases);
  }

  #countQueuedOfAccount(): void {
    for (const { rows, releases } of this.#queued) {
      this.account.charged += BigInt(rows.length);
      this.account.held -= BigInt(rows.length + releases);
    }
  }
}

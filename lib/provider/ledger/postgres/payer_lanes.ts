/**
 * A payer's account and lanes as the database had them last, with what this node has queued on top:
 * that counts at once for every judgement made here.
 */
import type { Address, Hex } from "viem";
import { type Account, emptyAccount } from "../book.ts";
import { type LaneJson, laneOfJson, type LookJson, takeAccount } from "./lane_json.ts";
import { LaneDesk } from "./lane_desk.ts";
import type { TurnAnswer } from "./turn.ts";

export class PayerLanes {
  readonly account: Account = emptyAccount();
  /** In the database; empty: it knows no such payer. */
  accountId = "";
  readonly #lanes = new Map<Hex, LaneDesk>();

  constructor(readonly payer: Address) {}

  /** As the database takes them: the last one's answer has the sums of all. */
  inOrder(): LaneDesk[] {
    return [...this.#lanes.values()].sort((one, other) => Number(one.id) - Number(other.id));
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
    if (lane !== undefined) return this.#lanes.get(lane)?.ahead.spare ?? 0;
    return this.#lanes.values().reduce((sum, { ahead }) => sum + ahead.spare, 0);
  }

  /** What is held ahead may cost, USDC base units. */
  aheadAmount(): bigint {
    const amountOf = ({ ahead, pooled }: LaneDesk) =>
      pooled === null ? 0n : BigInt(ahead.spare) * pooled.draw.price;
    return this.#lanes.values().reduce((sum, desk) => sum + amountOf(desk), 0n);
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
  queue({ lane }: LaneDesk, charged: number, released: number): void {
    lane.charged += BigInt(charged);
    lane.held -= BigInt(charged + released);
    this.account.charged += BigInt(charged);
    this.account.held -= BigInt(charged + released);
  }

  #takeLane(json: LaneJson, askedAt: number): LaneDesk {
    const lane = laneOfJson(this.payer, json);
    const known = this.#lanes.get(lane.lane) ?? new LaneDesk(String(json.id), lane, json.version);
    Object.assign(known.lane, lane);
    known.version = json.version;
    known.askedAt = askedAt;
    this.#lanes.set(lane.lane, known);
    this.account.lanes.set(lane.lane, known.lane);
    return known;
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
    for (const { rows, releases } of this.#lanes.values()) {
      this.account.charged += BigInt(rows.length);
      this.account.held -= BigInt(rows.length + releases);
    }
  }
}

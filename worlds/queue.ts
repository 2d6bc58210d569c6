/** The queue for slots on a clock that is played, with calls whose runs end by themselves. */
import { Heap, type Heaped } from "../lib/heap.ts";
import { FairQueue, type QueueBounds } from "../lib/provider/call/fair_queue.ts";
import type { CallOf, Refusal, Turn } from "../lib/provider/call/parties.ts";

export const BOUNDS: QueueBounds = {
  slots: 16,
  waitingMax: 200,
  payerWaitingMax: 60,
  waitMs: 5_000,
  retryMsMax: 60_000,
};

/** A call of a history. */
export interface Played {
  readonly about: CallOf;
  readonly turn: Turn;
  readonly askedAt: number;
  begunAt: number | null;
  refusal: Refusal | null;
}

interface Due extends Heaped {
  readonly at: number;
  readonly order: number;
  readonly then: () => void;
}

/** A queue whose runs end by themselves. */
export class QueueWorld {
  now = 0;
  readonly queue: FairQueue;
  readonly played: Played[] = [];
  readonly refused: { about: CallOf; refusal: Refusal; at: number }[] = [];
  #order = 0;
  /** When somebody may have waited for too long. */
  #expireAt = Infinity;
  readonly #due = new Heap<Due>((one, other) => (one.at - other.at || one.order - other.order) < 0);

  constructor(readonly bounds: QueueBounds = BOUNDS) {
    this.queue = new FairQueue(bounds);
  }

  /** @param runMs how long it runs once it does; null: until it is ended */
  ask(about: CallOf, runMs: number | null, over: () => void = () => {}): Played | null {
    const turn = this.queue.refusalOf(about, this.now) ?? this.queue.ask(about, this.now);
    if ("reason" in turn) {
      this.refused.push({ about, refusal: turn, at: this.now });
      return null;
    }
    const played: Played = { about, turn, askedAt: this.now, begunAt: null, refusal: null };
    this.played.push(played);
    const begin = () => {
      played.begunAt = this.now;
      if (runMs === null) return;
      this.after(runMs, () => {
        this.queue.leave(turn, this.now);
        over();
      });
    };
    turn.settle = (refusal) => {
      turn.settle = null;
      played.refusal = refusal;
      if (refusal) this.after(0, over);
      else begin();
    };
    if (turn.state === "running") begin();
    else this.#expireAt = Math.min(this.#expireAt, this.now + this.bounds.waitMs);
    return played;
  }

  comeBack(turn: Turn): void {
    this.queue.comeBack(turn, this.now);
    this.#expireAt = Math.min(this.#expireAt, this.now + this.bounds.waitMs);
  }

  after(ms: number, then: () => void): void {
    this.#due.add({ at: this.now + ms, order: this.#order++, then, heapAt: -1 });
  }

  /** Lets time pass, with whatever is due meanwhile. */
  until(end: number): void {
    for (;;) {
      const due = this.#due.first();
      const at = Math.min(due?.at ?? Infinity, this.#expireAt);
      if (at > end) break;
      this.now = Math.max(this.now, at);
      if (this.now >= this.#expireAt) this.#expireAt = this.now + this.queue.expire(this.now);
      else if (due) {
        this.#due.remove(due);
        due.then();
      }
    }
    this.now = end;
  }

  /** Of an owner's runs between two times. */
  slotTime(owner: string, from: number, to: number, runMs: (played: Played) => number): number {
    let sum = 0;
    for (const played of this.played) {
      if (played.about.owner !== owner || played.begunAt === null) continue;
      const end = Math.min(to, played.begunAt + runMs(played));
      sum += Math.max(0, end - Math.max(from, played.begunAt));
    }
    return sum;
  }
}

/** Runs of an owner that always wants more, from now on. */
export function flood(
  world: QueueWorld,
  about: CallOf,
  callers: number,
  runMs: () => number,
): void {
  const again = () => {
    if (world.ask(about, runMs(), again) === null) world.after(1_000, again);
  };
  for (let caller = 0; caller < callers; caller++) again();
}

export const plainly = (owner: string, payer: string | null = null): CallOf => ({
  owner,
  payer,
  deployment: `${owner}:1`,
  concurrency: 4_096,
});

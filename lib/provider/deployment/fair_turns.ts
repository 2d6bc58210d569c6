/**
 * Work of which so much may be under way. What finds no room waits, not long, and in fair turns:
 * whoever has the least under way is next, so a thousand of one keep nobody else waiting for long.
 */
import { type Clock, systemClock } from "../../clock.ts";
import type { KhachapuriError } from "../../errors.ts";
import { hungUp } from "../http/request_body.ts";

/** Whoever asked; is told to call back when it has gone. */
export interface Departing {
  whenGone(callback: (() => void) | null): void;
}

export interface TurnsOptions<Group> {
  /** Whether one more of the group may begin. */
  hasRoom(group: Group, own: number, all: number): boolean;
  /** How long one waits at most, ms. */
  waitMs: number;
  /** How many wait at most, */
  waitingMax: number;
  /** and how many of one group. */
  groupWaitingMax: number;
  /** What one is told that waited too long, or behind too many. */
  refusal(): KhachapuriError;
  clock?: Clock;
}

/** To be called once, when the work is over. */
export type EndTurn = () => void;

interface Waiting<Group> {
  group: Group;
  begin(end: EndTurn): void;
  giveUp(): void;
}

export class FairTurns<Group> {
  #all = 0;
  readonly #own = new Map<Group, number>();
  /** Oldest first. */
  readonly #waiting = new Set<Waiting<Group>>();

  constructor(private readonly options: TurnsOptions<Group>) {}

  /** How many wait. */
  waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Resolves when the work may begin.
   * @param signal gives the wait up
   * @throws KhachapuriError the refusal, or why it was given up
   */
  take(group: Group, signal?: AbortSignal): Promise<EndTurn> {
    if (this.#mayBegin(group)) return Promise.resolve(this.#begin(group));
    const { waitMs, waitingMax, groupWaitingMax, refusal, clock = systemClock } = this.options;
    const ofGroup = [...this.#waiting].filter((one) => one.group === group).length;
    if (this.#waiting.size >= waitingMax || ofGroup >= groupWaitingMax) {
      return Promise.reject(refusal());
    }
    return new Promise((resolve, reject) => {
      const leave = () => {
        cancel();
        signal?.removeEventListener("abort", giveUp);
        this.#waiting.delete(waiting);
      };
      const giveUp = () => {
        leave();
        reject(signal?.aborted ? signal.reason : refusal());
      };
      const waiting: Waiting<Group> = {
        group,
        begin(end) {
          leave();
          resolve(end);
        },
        giveUp,
      };
      const cancel = clock.after(waitMs, giveUp);
      this.#waiting.add(waiting);
      signal?.addEventListener("abort", giveUp);
      if (signal?.aborted) giveUp();
    });
  }

  /** Lets those begin for whom there is room now. */
  serve(): void {
    for (let next = this.#next(); next !== null; next = this.#next()) {
      next.begin(this.#begin(next.group));
    }
  }

  /** Nothing begins any more: who waits is refused. */
  close(): void {
    for (const one of [...this.#waiting]) one.giveUp();
  }

  #mayBegin(group: Group): boolean {
    return this.options.hasRoom(group, this.#own.get(group) ?? 0, this.#all);
  }

  #next(): Waiting<Group> | null {
    let [next, least] = [null as Waiting<Group> | null, Infinity];
    const looked = new Set<Group>();
    for (const one of this.#waiting) {
      if (looked.has(one.group)) continue;
      looked.add(one.group);
      const own = this.#own.get(one.group) ?? 0;
      if (own < least && this.#mayBegin(one.group)) [next, least] = [one, own];
    }
    return next;
  }

  #begin(group: Group): EndTurn {
    this.#all += 1;
    this.#own.set(group, (this.#own.get(group) ?? 0) + 1);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#all -= 1;
      const left = this.#own.get(group)! - 1;
      if (left > 0) this.#own.set(group, left);
      else this.#own.delete(group);
      this.serve();
    };
  }
}

/** Gives something up once all who asked for it have gone. */
export class Askers {
  readonly #controller = new AbortController();
  #here = 0;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Waits with one more; without `asker` nobody can tell when it goes. */
  async with<Result>(asker: Departing | null, work: Promise<Result>): Promise<Result> {
    this.#here += 1;
    asker?.whenGone(() => {
      this.#here -= 1;
      if (this.#here === 0) this.#controller.abort(hungUp());
    });
    try {
      return await work;
    } finally {
      asker?.whenGone(null);
    }
  }
}

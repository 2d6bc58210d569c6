/**
 * Who is next among those who share slots, in slot-time and not in calls (start-time fair queueing;
 * P. Goyal, H. Vin, H. Cheng, 1996): a run is charged what those of the same one took of late when
 * it begins, and what it really took when it ends. Who was charged least is next. What was had
 * while nobody had to wait is forgotten: who used slots that nobody wanted owes nobody anything.
 */
import { meanWith } from "./run_pace.ts";

/** What a run is taken to last of which nothing is known, ms. */
const UNKNOWN_RUN_MS = 100;

/** Among whom it is decided; anew each time that somebody has to wait where nobody did. */
export class Contest {
  /** Counts from 1. */
  number = 0;
  /** Of all of their runs, ms. */
  meanMs = UNKNOWN_RUN_MS;

  begin(): void {
    this.number += 1;
  }
}

export class SlotShare {
  held = 0;
  #contest = 0;
  /** What it was charged in the contest, ms of slot-time. */
  #charged = 0;
  /** Of that, for runs that go on. */
  #ahead = 0;
  #meanMs: number | null = null;

  constructor(private readonly contest: Contest) {}

  /** @returns what the run is charged, to be given back with the slot */
  take(): number {
    this.enter();
    const charge = this.#meanMs ?? this.contest.meanMs;
    this.held += 1;
    this.#charged += charge;
    this.#ahead += charge;
    return charge;
  }

  /** @param ms what the run took */
  giveBack(charge: number, ms: number): void {
    this.enter();
    this.held -= 1;
    this.#charged += ms - charge;
    this.#ahead = this.held === 0 ? 0 : this.#ahead - charge;
    const { contest } = this;
    this.#meanMs = meanWith(this.#meanMs, ms);
    contest.meanMs = meanWith(contest.meanMs, ms);
  }

  /** What it had before the contest that is on is forgotten. */
  enter(): void {
    if (this.#contest === this.contest.number) return;
    this.#contest = this.contest.number;
    this.#charged = this.#ahead;
  }

  /** Who did not wait meanwhile has saved nothing up: it begins level with who is next. */
  catchUp(next: SlotShare): void {
    this.#charged = Math.max(this.#charged, next.#charged);
  }

  /**
   * Runs that took longer than thought are no debt for ever: it waits no longer for the others than
   * for two runs, or for as much slot-time.
   */
  waitFor(next: SlotShare, slotMs: number): void {
    const most = Math.max(slotMs, 2 * (this.#meanMs ?? 0));
    this.#charged = Math.min(this.#charged, next.#charged + most);
  }

  /** Negative: before the other; 0: neither is. */
  compare(other: SlotShare): number {
    return this.#charged - other.#charged;
  }
}

/**
 * Of what many share, who has much leaves a part free: a quarter of what it then has. So one alone
 * gets four fifths, two get four ninths each, and whoever comes next finds a place at once. Of up
 * to three all may be one's.
 */
export function leavesRoom(held: number, free: number): boolean {
  return free >= 1 && free - 1 >= Math.floor((held + 1) / 4);
}

/** How many more one may have by that, who has so many, while nobody else takes one. */
export function roomLeft(held: number, free: number): number {
  if (!leavesRoom(held, free)) return 0;
  return Math.max(1, Math.floor((4 * free - held) / 5));
}

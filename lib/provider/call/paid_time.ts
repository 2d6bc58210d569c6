/**
 * A run's time, credit by credit: the next one is taken before the last one's time is over, and
 * charged when its own begins. Where none is to be had the run ends with its paid time, like any
 * that takes too long.
 */
import { asKhachapuriError, KhachapuriError } from "../../errors.ts";
import type { Clock } from "../../clock.ts";
import { EXTEND_AHEAD_MS_MAX, EXTEND_AHEAD_PART } from "../../limits.ts";
import type { Hold } from "../money/scheme.ts";
import type { ProgramRun } from "../program/interface/interface.ts";
import { sharedClock } from "./shared_timer.ts";

export interface PaidTimeParts {
  run: Pick<ProgramRun, "extend" | "begun" | "kill" | "record">;
  hold: Pick<Hold, "credits" | "extend" | "begin" | "giveBack">;
  /** Credits that the run may take. */
  creditsMax: number;
  /** What each of them is good for, ms. */
  creditMs: number;
  /**
   * Counts one credit more against what bounds the deployment.
   * @throws KhachapuriError what is against it
   */
  admit(): void;
  /** A credit that was counted so is not used. */
  undo(): void;
}

/** How long before a credit's time is over the next one is taken, ms. */
export function extendAheadMs(creditMs: number): number {
  return Math.min(EXTEND_AHEAD_MS_MAX, creditMs / EXTEND_AHEAD_PART);
}

export class PaidTime {
  readonly #aheadMs: number;
  #cancelTimer: (() => void) | null = null;
  /** Whether a credit has been taken whose time has not begun. */
  #isAhead = false;
  #isStopped = false;
  #refusal: KhachapuriError | null = null;

  /** To be made when the run begins; of use to runs that may take more than one credit. */
  constructor(
    private readonly parts: PaidTimeParts,
    private readonly clock: Clock = sharedClock,
  ) {
    this.#aheadMs = extendAheadMs(parts.creditMs);
    this.#waitToTake();
    const stop = () => this.stop();
    parts.run.record.then(stop, stop);
  }

  /** Why the run got no further credit; null while it was not refused one. */
  refusal(): KhachapuriError | null {
    return this.#refusal;
  }

  /** No further credit is taken, and one whose time has not begun is given back. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelTimer?.();
    if (this.#isAhead) this.#giveBack();
  }

  /** As `stop`; the run goes on for the credits whose time has begun. */
  takeNoMore(): void {
    if (this.#isStopped) return;
    const isExtended = this.#isAhead;
    this.stop();
    // The sandbox was told of the time that has been given back.
    if (isExtended) this.#wait(() => this.#overAt(), () => this.parts.run.kill());
  }

  #overAt(): number {
    const { run, hold, creditMs } = this.parts;
    return run.begun() + hold.credits * creditMs;
  }

  #waitToTake(): void {
    if (this.parts.hold.credits >= this.parts.creditsMax) return;
    this.#wait(() => this.#overAt() - this.#aheadMs, () => this.#take());
  }

  /** A run that waits for its sandbox begins later than it seemed when the timer was set. */
  #wait(dueAt: () => number, then: () => void): void {
    const fire = () => dueAt() > this.clock.now() ? this.#wait(dueAt, then) : then();
    this.#cancelTimer = this.clock.after(Math.ceil(dueAt() - this.clock.now()), fire);
  }

  async #take(): Promise<void> {
    const { run, hold, creditMs, admit } = this.parts;
    try {
      admit();
    } catch (error) {
      return this.#refuse(error);
    }
    try {
      await hold.extend();
    } catch (error) {
      this.parts.undo();
      return this.#refuse(error);
    }
    this.#isAhead = true;
    // The sandbox has to hear of it before it ends the run.
    const isLate = this.clock.now() > this.#overAt() - this.#aheadMs / 4;
    if (isLate) this.#refuse(tooLate());
    if (isLate || this.#isStopped) return this.#giveBack();
    run.extend(creditMs);
    this.#wait(() => this.#overAt(), () => this.#begin());
  }

  #begin(): void {
    const { run, hold } = this.parts;
    this.#isAhead = false;
    // What cannot be written down is not worked for.
    hold.begin().catch(() => run.kill());
    this.#waitToTake();
  }

  #giveBack(): void {
    this.#isAhead = false;
    this.parts.hold.giveBack();
    this.parts.undo();
  }

  #refuse(error: unknown): void {
    this.#refusal = asKhachapuriError(error);
  }
}

function tooLate(): KhachapuriError {
  return new KhachapuriError("overloaded", "the provider was too slow to take it in time");
}

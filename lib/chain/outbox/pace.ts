/** When to look: at once, then in growing pauses, for as long as there is something to look at. */

/** Calls back after `ms`; returns how to call it off. */
export type After = (ms: number, callback: () => void) => () => void;

/** Between two looks: the first pause, then twice as long each time, up to the last, ms. */
export interface Pause {
  firstMs: number;
  lastMs: number;
}

export class Pace {
  readonly #look: () => Promise<void>;
  readonly #dueInMs: () => number | null;
  readonly #pause: Pause;
  readonly #after: After;
  #pauseMs: number;
  #timer: { ms: number; callOff: () => void } | null = null;
  #looking: Promise<void> | null = null;
  #isCalled = false;
  #isClosed = false;

  /**
   * @param look must not fail
   * @param dueInMs the longest wait for the next look; null: there is nothing to look at
   */
  constructor(
    look: () => Promise<void>,
    dueInMs: () => number | null,
    pause: Pause,
    after: After = afterTimeout,
  ) {
    this.#look = look;
    this.#dueInMs = dueInMs;
    this.#pause = pause;
    this.#after = after;
    this.#pauseMs = pause.firstMs;
  }

  /** There is something new: the pauses begin anew. */
  hurry(): void {
    const { firstMs } = this.#pause;
    this.#pauseMs = firstMs;
    if (this.#timer === null) return this.#schedule(0);
    if (this.#timer.ms <= firstMs) return;
    this.#timer.callOff();
    this.#timer = null;
    this.#schedule(firstMs);
  }

  /** Something has happened out there: the next look is now, or right behind the present one. */
  lookNow(): void {
    if (this.#looking) {
      this.#isCalled = true;
      return;
    }
    this.#timer?.callOff();
    this.#timer = null;
    this.#schedule(0);
  }

  /** Resolves when the last look is over. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.callOff();
    await this.#looking;
  }

  #schedule(pauseMs: number): void {
    const dueInMs = this.#dueInMs();
    if (this.#timer || this.#looking || this.#isClosed || dueInMs === null) return;
    const ms = Math.min(pauseMs, dueInMs);
    this.#timer = { ms, callOff: this.#after(ms, () => this.#begin()) };
  }

  #begin(): void {
    this.#timer = null;
    this.#looking = this.#look().finally(() => {
      this.#looking = null;
      this.#schedule(this.#isCalled ? 0 : this.#pauseMs);
      this.#isCalled = false;
      this.#pauseMs = Math.min(this.#pauseMs * 2, this.#pause.lastMs);
    });
  }
}

/** The timer of the runtime. */
export function afterTimeout(ms: number, callback: () => void): () => void {
  const timer = setTimeout(callback, ms);
  return () => clearTimeout(timer);
}

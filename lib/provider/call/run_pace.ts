/** How long runs take, and so when one will end: of what was measured, never of what was said. */

/** Of each run that ends so much is taken into the mean. */
const NEWEST_PART = 1 / 8;

/** Those that go on for longer than usual are taken to go on for so much of that again. */
const LONGER_PART = 1 / 2;

/** @param mean of the runs before; null: there were none */
export function meanWith(mean: number | null, ms: number): number {
  return mean === null ? ms : mean + (ms - mean) * NEWEST_PART;
}

export class RunPace {
  /** ms; null until one has ended. */
  #meanMs: number | null = null;
  /** Runs that go on. */
  running = 0;
  /** Times at which those that run began, together, ms. */
  #begun = 0;

  began(now: number): void {
    this.running += 1;
    this.#begun += now;
  }

  ended(begunAt: number, now: number): void {
    this.running -= 1;
    this.#begun = this.running === 0 ? 0 : this.#begun - begunAt;
    this.#meanMs = meanWith(this.#meanMs, now - begunAt);
  }

  /** What one takes; 0: nothing is known. */
  runMs(now: number): number {
    return Math.max(this.#meanMs ?? 0, (1 + LONGER_PART) * this.#ageMs(now));
  }

  /** Until so many have ended of which so many go on at a time, ms. */
  untilEnded(runs: number, atATime: number, now: number): number {
    const runMs = this.runMs(now);
    const left = this.running === 0 ? runMs : runMs - this.#ageMs(now);
    return ((runs - 1) * runMs + left) / atATime;
  }

  /** Of those that run, on the average, ms. */
  #ageMs(now: number): number {
    return this.running === 0 ? 0 : Math.max(0, now - this.#begun / this.running);
  }
}

/** How long runs take, and so when one will end: of what was measured, never of what was said. */

/** Of each run that ends so much is taken into the mean. */
const NEWEST_PART = 1 / 8;

/** Those that go on for longer than usual are taken to go on for so much of that again. */
const LONGER_PART = 1 / 2;

export class RunPace {
  /** ms; null until one has ended. */
  #meanMs: number | null = null;
  #running = 0;
  /** Times at which those that run began, together, ms. */
  #begun = 0;

  began(now: number): void {
    this.#running += 1;
    this.#begun += now;
  }

  ended(begunAt: number, now: number): void {
    this.#running -= 1;
    this.#begun = this.#running === 0 ? 0 : this.#begun - begunAt;
    const ms = now - begunAt;
    this.#meanMs = this.#meanMs === null ? ms : this.#meanMs + (ms - this.#meanMs) * NEWEST_PART;
  }

  /** What one takes; 0: nothing is known. */
  runMs(now: number): number {
    return Math.max(this.#meanMs ?? 0, (1 + LONGER_PART) * this.#ageMs(now));
  }

  /** Until so many have ended of which so many go on at a time, ms. */
  untilEnded(runs: number, atATime: number, now: number): number {
    const runMs = this.runMs(now);
    const left = this.#running === 0 ? runMs : runMs - this.#ageMs(now);
    return ((runs - 1) * runMs + left) / atATime;
  }

  /** Of those that run, on the average, ms. */
  #ageMs(now: number): number {
    return this.#running === 0 ? 0 : Math.max(0, now - this.#begun / this.#running);
  }
}

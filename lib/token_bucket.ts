/** A token bucket: so much at once, and then as fast as it refills. */

export class TokenBucket {
  #tokens: number;
  #filledAt: number;

  /**
   * @param size tokens at the start and at most
   * @param perSecond tokens that come back in a second
   * @param now the clock, ms
   */
  constructor(
    private readonly size: number,
    private readonly perSecond: number,
    private readonly now: () => number,
  ) {
    this.#tokens = size;
    this.#filledAt = now();
  }

  /** Takes one token, or so many; false when there are not. */
  take(tokens = 1): boolean {
    this.#refill();
    if (this.#tokens < tokens) return false;
    this.#tokens -= tokens;
    return true;
  }

  /** Whether no more than `tokens` of it are in use. */
  isFullBut(tokens: number): boolean {
    this.#refill();
    return this.#tokens >= this.size - tokens;
  }

  /** What took a token came to nothing. */
  giveBack(): void {
    this.#tokens += 1;
  }

  /** Seconds until a token is there. */
  waitSeconds(): number {
    this.#refill();
    return Math.max(0, (1 - this.#tokens) / this.perSecond);
  }

  #refill(): void {
    const now = this.now();
    // A clock that is put back takes nothing away.
    const passedMs = Math.max(0, now - this.#filledAt);
    const refilled = this.#tokens + passedMs * this.perSecond / 1_000;
    this.#tokens = Math.min(this.size, refilled);
    this.#filledAt = now;
  }
}

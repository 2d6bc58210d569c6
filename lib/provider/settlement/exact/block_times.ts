/**
 * When a chain's next block is to be looked for. A payment that waits for its block waits as well
 * until somebody has seen it, so who looks too seldom makes every caller wait longer; who looks
 * too often is refused by public endpoints. Blocks come in a beat, so most looks are made around
 * the time of the next one. Pure, but for what it was told.
 */

/** Before a beat is known: between two looks, ms, */
const SEARCH_MS = 30;
/** and where no block has come for so long, ms, */
const SLOW_AFTER_MS = 3_000;
/** so much, ms. */
const SLOW_MS = 250;
/** Looks begin so long before the next block is expected, ms, */
const EARLY_MS = 15;
/** come in these pauses, ms, */
const NEAR_MS = 15;
/** and after so long the block is late, ms. */
const LATE_AFTER_MS = 300;
/** A beat that was heard so many blocks ago is out of step. */
const BEATS_TRUSTED = 40;
/** Share of the last interval in what is usual. */
const WEIGHT = 0.3;

export class BlockTimes {
  #seen: { number: bigint; at: number } | null = null;
  /** What a block usually takes, ms; null: not known. */
  #periodMs: number | null = null;

  /**
   * The newest block was asked for, and this was it.
   * @returns whether it is a new one
   */
  note(number: bigint, at: number): boolean {
    const last = this.#seen;
    if (last !== null && number <= last.number) return false;
    if (last !== null) this.#learn((at - last.at) / Number(number - last.number));
    this.#seen = { number, at };
    return last !== null;
  }

  /**
   * Until the next look, ms.
   * @param since when the wait for a block began, ms
   */
  pauseMs(now: number, since: number): number {
    const [seen, periodMs] = [this.#seen, this.#periodMs];
    const slow = now - since > SLOW_AFTER_MS ? SLOW_MS : SEARCH_MS;
    if (seen === null || periodMs === null) return slow;
    const beats = (now - seen.at) / periodMs;
    if (beats > BEATS_TRUSTED) return slow;
    const next = Math.max(1, Math.ceil(beats));
    const afterLast = now - (seen.at + (next - 1) * periodMs);
    // The block of the beat just past may be on its way here.
    if (next > 1 && afterLast < LATE_AFTER_MS) return NEAR_MS;
    const untilNext = seen.at + next * periodMs - now;
    return Math.max(NEAR_MS, untilNext - EARLY_MS);
  }

  #learn(intervalMs: number): void {
    const known = this.#periodMs;
    // One that is far off is of a chain that paused, or of a wait that nobody looked through.
    const isFarOff = known !== null && (intervalMs > 3 * known || intervalMs < known / 3);
    this.#periodMs = known === null || isFarOff
      ? intervalMs
      : known + (intervalMs - known) * WEIGHT;
  }
}

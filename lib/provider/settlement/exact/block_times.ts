/**
 * When a chain's next block is to be looked for. A payment that waits for its block waits as well
 * until somebody has seen it, so who looks too seldom makes every caller wait longer; who looks
 * too often is refused by public endpoints. Blocks come in a beat, so most looks are made around
 * the time of the next one. The beat is heard only where two looks stand close around a block's
 * coming: the first look of a wait finds one that came at any time before. Pure, but for what it
 * was told.
 */

/** Before a beat is known: between two looks, ms, */
const SEARCH_MS = 30;
/** longer the longer nothing comes, up to this, ms: */
const SEARCH_LONGEST_MS = 250;
/** a pause is this share of what was waited already, as nobody minds so much more. */
const PATIENCE = 1 / 12;
/** A block's coming is heard between two looks that are no further from each other, ms. */
const HEARD_WITHIN_MS = 300;
/** Looks begin so long before the next block is expected, ms, */
const EARLY_MS = 15;
/** and for every beat since one was heard so much earlier, as share of a beat; */
const DRIFT = 0.003;
/** they come in these pauses, ms, at the least. */
const NEAR_MS = 15;
/** A beat that was heard so many blocks ago is out of step. */
const BEATS_TRUSTED = 40;
/** Share of the last beat in what is usual. */
const WEIGHT = 0.3;
/** So near to a whole number of beats, some of them went by without a block. */
const SKIPPED_WITHIN = 0.1;

/** A block that came after one look and by the next, ms. */
interface Heard {
  number: bigint;
  after: number;
  by: number;
}

export class BlockTimes {
  /** The newest block, and when it was last seen to be that, ms. */
  #newest: { number: bigint; at: number } | null = null;
  #heard: Heard | null = null;
  /** What a block usually takes, ms; null: not known. */
  #periodMs: number | null = null;

  /**
   * The newest block was asked for, and this was it.
   * @returns whether it is a new one
   */
  note(number: bigint, at: number): boolean {
    const last = this.#newest;
    // An endpoint that is behind tells nothing of the time.
    if (last !== null && number < last.number) return false;
    this.#newest = { number, at };
    if (last === null || number === last.number) return false;
    if (at - last.at <= HEARD_WITHIN_MS) this.#hear({ number, after: last.at, by: at });
    else this.#quicken(number, at);
    return true;
  }

  /**
   * Until the next look, ms.
   * @param since when the wait for a block began, ms
   */
  pauseMs(now: number, since: number): number {
    const [heard, newest, periodMs] = [this.#heard, this.#newest, this.#periodMs];
    const search = Math.min(SEARCH_LONGEST_MS, Math.max(SEARCH_MS, (now - since) * PATIENCE));
    if (heard === null || newest === null || periodMs === null) return search;
    const passed = Math.max(0, Math.floor((now - heard.by) / periodMs));
    if (passed > BEATS_TRUSTED) return search;
    const came = Math.min(Number(newest.number - heard.number), passed + 1);
    const next = Math.max(passed, came) + 1;
    const earlyMs = EARLY_MS + next * DRIFT * periodMs;
    const untilNext = heard.after + next * periodMs - earlyMs - now;
    const lateMs = now - (heard.by + passed * periodMs);
    const untilLate = came < passed ? lateMs * PATIENCE : Infinity;
    return Math.max(NEAR_MS, Math.min(untilNext, untilLate));
  }

  #hear(heard: Heard): void {
    const before = this.#heard;
    this.#heard = heard;
    if (before) this.#learn(heard.by - before.by, Number(heard.number - before.number));
  }

  #learn(ms: number, blocks: number): void {
    const known = this.#periodMs;
    if (known === null) {
      this.#periodMs = ms / blocks;
      return;
    }
    const passed = Math.round(ms / known);
    const isSkipped = passed > blocks && Math.abs(ms / known - passed) < SKIPPED_WITHIN;
    const beats = isSkipped ? passed : blocks;
    const period = ms / beats;
    // One that is far off is of a chain that paused, or that has another pace now.
    const isFarOff = period > 3 * known || period < known / 3;
    // Over many beats, an error in the hearing of the last one is small.
    const weight = isFarOff ? 1 : Math.min(1, WEIGHT * beats);
    this.#periodMs = known + (period - known) * weight;
  }

  /** More blocks than there was time for: they come faster than was thought. */
  #quicken(number: bigint, at: number): void {
    if (this.#heard === null || this.#periodMs === null) return;
    const { by, number: first } = this.#heard;
    this.#periodMs = Math.min(this.#periodMs, (at - by) / Number(number - first));
  }
}

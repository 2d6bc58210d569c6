/**
 * Whether the chain is heard of, and whether what it says is of today: a node that stands still
 * answers every question, with what was.
 */
import type { HeadBlock } from "./known_blocks.ts";

/** A block may be told so much later than it was made, or seem to be made later, ms. */
const CLOCKS_DIFFER_MS = 30_000;
/** The chain is silent when so many looks brought nothing. */
const SILENT_POLLS = 3;

export class HeadWatch {
  #newest: HeadBlock | null = null;
  /** How far the newest block's time was ahead of ours when we heard of it, ms. */
  #aheadMs = 0;
  #heardAt = -Infinity;
  readonly #openedAt: number;

  /**
   * @param pollMs between two looks, ms
   * @param secondsMax how old a head may be; null where blocks come only with transactions
   * @param now the clock here, ms
   */
  constructor(
    private readonly pollMs: number,
    private readonly secondsMax: number | null,
    private readonly now: () => number,
  ) {
    this.#openedAt = now();
  }

  /** The endpoint's newest block. */
  hear(block: HeadBlock): void {
    const before = this.#newest;
    if (before?.hash === block.hash) return;
    this.#newest = block;
    const aheadMs = Number(block.timestamp) * 1_000 - this.now();
    // How old the first one is, is how long nothing happened.
    this.#aheadMs = before === null ? Math.max(0, aheadMs) : aheadMs;
  }

  /** All that the blocks up to it have brought was taken in. */
  heard(): void {
    this.#heardAt = this.now();
  }

  isCurrent(): boolean {
    return this.ageMs() <= SILENT_POLLS * this.pollMs && !this.isStandingStill();
  }

  isStandingStill(): boolean {
    if (this.#newest === null || this.secondsMax === null) return false;
    return this.headAgeMs() > this.secondsMax * 1_000;
  }

  /** How long ago the chain was last heard of, ms; Infinity when never. */
  ageMs(): number {
    return this.now() - this.#heardAt;
  }

  headAgeMs(): number {
    return this.#newest === null ? Infinity : this.now() - this.timeMs();
  }

  /** When the newest block was made, ms; 0 when there is none. */
  timeMs(): number {
    return this.#newest === null ? 0 : Number(this.#newest.timestamp) * 1_000;
  }

  /** @param behindMs how long endpoints have told of a shorter chain than before */
  alarms(behindMs: number): string[] {
    const silentMs = Math.min(this.ageMs(), this.now() - this.#openedAt);
    const alarms: string[] = [];
    if (this.isStandingStill()) {
      const age = secondsOf(this.headAgeMs());
      alarms.push(`the node stands still: its newest block is ${age} s old`);
    } else if (behindMs > SILENT_POLLS * this.pollMs) {
      alarms.push(`the node has gone back: its chain is shorter for ${secondsOf(behindMs)} s`);
    } else if (silentMs > SILENT_POLLS * this.pollMs) {
      alarms.push(`the chain was not heard of for ${secondsOf(silentMs)} s`);
    }
    if (Math.abs(this.#aheadMs) > CLOCKS_DIFFER_MS) {
      const far = secondsOf(Math.abs(this.#aheadMs));
      const where = this.#aheadMs > 0 ? "ahead of" : "behind";
      alarms.push(`the clock differs: a new block's time is ${far} s ${where} ours`);
    }
    return alarms;
  }
}

function secondsOf(ms: number): number {
  return Math.round(ms / 1_000);
}

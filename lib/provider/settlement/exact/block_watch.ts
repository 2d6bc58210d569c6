/** Tells of each new block, as soon as it is there, for as long as somebody waits for one. */
import { type After, afterTimeout } from "../../../chain/outbox/pace.ts";
import { BlockTimes } from "./block_times.ts";

export interface BlockWatchOptions {
  /** The newest block's number, not from a cache. */
  head(): Promise<bigint>;
  /** ms. */
  now: () => number;
  after?: After;
}

export class BlockWatch {
  readonly #options: BlockWatchOptions;
  readonly #after: After;
  readonly #times = new BlockTimes();
  readonly #listeners = new Set<() => void>();
  #since = 0;
  #callOff: (() => void) | null = null;
  #isLooking = false;

  constructor(options: BlockWatchOptions) {
    this.#options = options;
    this.#after = options.after ?? afterTimeout;
  }

  /**
   * Calls `tell` at each new block.
   * @returns to be called when no more is to be told
   */
  onBlock(tell: () => void): () => void {
    const listener = () => tell();
    this.#listeners.add(listener);
    this.#since = this.#options.now();
    this.#schedule(0);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#callOff?.();
      this.#callOff = null;
    };
  }

  #schedule(ms: number): void {
    if (this.#callOff !== null || this.#isLooking || this.#listeners.size === 0) return;
    this.#callOff = this.#after(ms, () => {
      this.#callOff = null;
      this.#look();
    });
  }

  async #look(): Promise<void> {
    const { head, now } = this.#options;
    this.#isLooking = true;
    // An endpoint that does not answer is asked again.
    const number = await head().catch(() => null);
    this.#isLooking = false;
    if (number !== null && this.#times.note(number, now())) {
      this.#since = now();
      for (const tell of [...this.#listeners]) tell();
    }
    this.#schedule(this.#times.pauseMs(now(), this.#since));
  }
}

/**
 * Timeouts for what is mostly over before they are due: one timer of the runtime for all that were
 * set within a few ms of each other. Setting and clearing one of its own would cost a short call a
 * good part of its time (`deno task bench sandbox`, row "khachapuri, whole request").
 */

/** After this a call is no longer a short one, ms. */
export const SHORT_MS = 5;

interface Timeout {
  callback: (() => void) | null;
}

export class ShortTimer {
  /**
   * Set since the timer last fired, and in the interval before. Lists and not sets: what a set has
   * held while it was rehashed the garbage collector keeps for long, and here that would be whole
   * calls.
   */
  #young: Timeout[] = [];
  #older: Timeout[] = [];
  #timer: ReturnType<typeof setTimeout> | null = null;

  /**
   * Calls back once, `SHORT_MS` to twice that from now.
   * @returns takes it back
   */
  after(callback: () => void): () => void {
    const timeout: Timeout = { callback };
    this.#young.push(timeout);
    this.#arm();
    return () => timeout.callback = null;
  }

  /** Calls back nobody any more. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    [this.#young, this.#older] = [[], []];
  }

  #fire(): void {
    this.#timer = null;
    const due = this.#older;
    [this.#older, this.#young] = [this.#young, []];
    if (this.#older.length > 0) this.#arm();
    for (const { callback } of due) callback?.();
  }

  #arm(): void {
    this.#timer ??= setTimeout(() => this.#fire(), SHORT_MS);
  }
}

/**
 * How long a caller may be waited for whose bytes come or go slowly. The wait is the caller's time
 * and no program's (sandbox/init/callers_time.h), but it holds a slot and memory: so a caller has
 * to move on at a pace, and may stand still for a while now and then.
 */
import type { Clock } from "../../clock.ts";
import {
  CALLER_PACE_BYTES_MIN,
  CALLER_WAIT_MS_MAX,
  SENDER_PATIENCE_MS,
  TAKER_PATIENCE_MS,
} from "../../limits_of_callers.ts";

/** How often it is looked whether it is over, ms. */
const LOOK_MS = 1_000;

/** What is waited for: that an answer is taken, or a body sent. */
export type Awaited = "took the answer" | "sent the request body";

/** How long a caller may stand still, ms. */
export const PATIENCE_MS: Readonly<Record<Awaited, number>> = {
  "took the answer": TAKER_PATIENCE_MS,
  "sent the request body": SENDER_PATIENCE_MS,
};

export class Patience {
  readonly #mostMs: number;
  /** What is left of it, ms: waiting uses it up, and bytes bring it back. */
  #leftMs: number;
  #waitedMs = 0;
  /** Since when the next bytes are waited for; null: nobody waits. */
  #since: number | null = null;

  /** @param now a clock that does not go back, ms */
  constructor(
    private readonly awaited: Awaited,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#mostMs = this.#leftMs = PATIENCE_MS[awaited];
  }

  /** From now on the next bytes are waited for. */
  wait(): void {
    this.#since ??= this.now();
  }

  /** So many have moved, and nobody waits. */
  moved(bytes: number): void {
    const waitedMs = this.waitingMs();
    this.#since = null;
    this.#waitedMs += waitedMs;
    const earnedMs = bytes * 1_000 / CALLER_PACE_BYTES_MIN;
    this.#leftMs = Math.min(this.#mostMs, this.#leftMs - waitedMs + earnedMs);
  }

  /** For how long the next bytes have been waited for, ms. */
  waitingMs(): number {
    return this.#since === null ? 0 : this.now() - this.#since;
  }

  /** Why it is over, in words; null while it is not. */
  end(): string | null {
    const waitingMs = this.waitingMs();
    if (this.#waitedMs + waitingMs >= CALLER_WAIT_MS_MAX) {
      return `the caller ${this.awaited} so slowly that it was waited for ${
        seconds(CALLER_WAIT_MS_MAX)
      } in all`;
    }
    if (this.#since === null || waitingMs < this.#leftMs) return null;
    const [did, what] = this.awaited.split(" the ");
    if (waitingMs >= this.#mostMs) {
      return `the caller ${did} nothing of the ${what} for ${seconds(waitingMs)}`;
    }
    const pace = CALLER_PACE_BYTES_MIN / 1_024;
    return `the caller ${did} less than ${pace} KiB a second of the ${what}`;
  }

  /**
   * Looks now and then whether it is over.
   * @param onEnd told once why it is
   * @returns ends the looks
   */
  watch(clock: Pick<Clock, "after">, onEnd: (why: string) => void): () => void {
    let stop = () => {};
    const lookLater = () => {
      stop = clock.after(LOOK_MS, () => {
        const why = this.end();
        if (why === null) lookLater();
        else onEnd(why);
      });
    };
    lookLater();
    return () => stop();
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1_000)} s`;
}

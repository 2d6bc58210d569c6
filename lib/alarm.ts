/**
 * One timer for all that is due in a server. It is not moved when a request begins or ends: it
 * rings for the moment that it was set for, and is then set for what is due first. A timer for each
 * request would be set and cleared with every call.
 */
import { type Clock, systemClock } from "./clock.ts";

/** Time that is never set back. */
export const monotonicClock: Clock = { now: () => performance.now(), after: systemClock.after };

/** setTimeout takes more for nothing. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export class Alarm {
  #at = Infinity;
  #cancel: (() => void) | null = null;
  #isStopped = false;

  /** @param ring does what is due and tells when there is more, `Infinity`: never */
  constructor(
    private readonly clock: Clock,
    private readonly ring: (now: number) => number,
  ) {}

  /** It rings no later than at `at`, as far as timers keep time. */
  by(at: number): void {
    if (at >= this.#at || this.#isStopped) return;
    this.#cancel?.();
    this.#at = at;
    const ms = Math.ceil(Math.max(0, at - this.clock.now()));
    this.#cancel = this.clock.after(Math.min(ms, LONGEST_TIMER_MS), () => this.#ring());
  }

  /** It rings no more. */
  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
    this.#cancel = null;
  }

  #ring(): void {
    this.#cancel = null;
    this.#at = Infinity;
    this.by(this.ring(this.clock.now()));
  }
}

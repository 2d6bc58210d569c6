/**
 * When what has ended goes to the database. A turn takes as long for one charge as for thirty, at
 * both ends, so what has ended waits for the calls beside it: those that run, and those that ended
 * with the last turns, whose callers call again as soon as they are answered. No longer than a turn
 * takes, and only where no call waits for a credit. Who calls alone waits for nobody
 * (`deno task bench fleet`, rows "nothing run" and "sandbox run").
 */

/** What is queued, and what may come soon. */
export interface Queued {
  /** Credits that are to be charged or given back. */
  readonly ended: number;
  /** Whether calls wait for credits. */
  readonly isWanted: boolean;
  /** Calls of this node that hold credits still. */
  readonly running: number;
}

/** However long turns take by now, ms: a database that is slow gets none later for it. */
const GATHER_MS_MOST = 3;

export class Gathering {
  /** Of the first thing that waits, by the clock. */
  #since: number | null = null;
  #turnMs = 0;
  /** Calls beside each other when the last turns were answered, the newest at the end. */
  #callers: readonly [number, number] = [0, 0];

  /** @param elapsed ms, by a clock that only goes on */
  constructor(private readonly elapsed: () => number) {}

  /** How long to wait for others still, ms; 0: it goes. */
  waitMs({ ended, isWanted, running }: Queued): number {
    if (isWanted || ended >= Math.max(running, ...this.#callers)) return 0;
    const now = this.elapsed();
    this.#since ??= now;
    return Math.max(0, Math.min(this.#turnMs, GATHER_MS_MOST) - (now - this.#since));
  }

  /** All that waited has gone. */
  goes(): void {
    this.#since = null;
  }

  /** A turn was answered, after so many ms, and so many calls were in it, ended since, or run. */
  took(ms: number, callers: number): void {
    this.#turnMs = ms;
    this.#callers = [this.#callers[1], callers];
  }
}

/**
 * Owners who wait for their deployment's next run. Each holds a connection and no more: whoever
 * finds no place, or has waited for long, asks again.
 */
import type { CidText } from "../../cid.ts";
import { LOG_FOLLOWERS_EACH_MAX, LOG_FOLLOWERS_MAX } from "../../limits.ts";

export interface LogFollower {
  /** Resolves when there is something to read, the time is up, or nobody waits any more. */
  readonly ended: Promise<void>;
  leave(): void;
}

export class LogFollowers {
  readonly #leaves = new Map<CidText, Set<() => void>>();
  #count = 0;
  #isClosed = false;

  /** Waits for a run of the deployment, for `ms` at most; null when there is no place. */
  follow(cid: CidText, ms: number): LogFollower | null {
    const own = this.#leaves.get(cid) ?? new Set();
    if (this.#isClosed || this.#count >= LOG_FOLLOWERS_MAX) return null;
    if (own.size >= LOG_FOLLOWERS_EACH_MAX) return null;
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const leave = () => {
      if (!own.delete(leave)) return;
      clearTimeout(timer);
      this.#count -= 1;
      if (own.size === 0) this.#leaves.delete(cid);
      resolve();
    };
    const timer = setTimeout(leave, ms);
    own.add(leave);
    this.#leaves.set(cid, own);
    this.#count += 1;
    return { ended, leave };
  }

  /** Deployments whose runs are waited for. */
  followed(): CidText[] {
    return [...this.#leaves.keys()];
  }

  isFollowed(cid: CidText): boolean {
    return this.#leaves.has(cid);
  }

  /** There is something to read of the deployment. */
  wake(cid: CidText): void {
    for (const leave of [...this.#leaves.get(cid) ?? []]) leave();
  }

  /** Nobody waits any more: the provider shuts down. */
  close(): void {
    this.#isClosed = true;
    for (const cid of [...this.#leaves.keys()]) this.wake(cid);
  }
}

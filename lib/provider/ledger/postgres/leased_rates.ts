/**
 * How much strangers may cost an owner in a minute at all nodes together: each leases some tokens
 * of the one bucket, a quarter of a second's worth, and gives them out. What nobody wants goes
 * back, so the rate is used up at whichever node the calls come to.
 */
import { type Leased, leaseTokens, returnTokens, type SharedBucket } from "../../fleet/buckets.ts";
import type { Database } from "../../fleet/database.ts";
import type { Draw } from "../judge.ts";
import { tooFast } from "../owners_rate.ts";

/** Between two sweeps, ms. */
const SWEEP_MS = 1_000;
/** Of a second's tokens one part in so many is leased at a time, */
const LEASED_PART = 4;
/** and no more than this. */
const LEASED_MOST = 256;

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** What of one bucket is here. */
interface Lease {
  readonly bucket: SharedBucket;
  readonly perMinute: number;
  tokens: number;
  readonly waiters: Waiter[];
  isAsking: boolean;
  /** Taken from since the last sweep. */
  isUsed: boolean;
}

export class LeasedRates {
  readonly #leases = new Map<string, Lease>();
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(private readonly database: Database) {
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS);
    Deno.unrefTimer(this.#timer as unknown as number);
  }

  /**
   * Holds a credit within the rate of the owner who pays for it, if one does.
   * @throws KhachapuriError as `take`, and what `hold` throws
   */
  async counted<Held extends { readonly payable: boolean }>(
    draw: Draw,
    hold: () => Promise<Held>,
  ): Promise<Held> {
    const { ownerCreditsPerMinute: perMinute } = draw;
    if (perMinute === undefined) return await hold();
    await this.take(keyOf(draw), perMinute);
    let isHeld = false;
    try {
      const held = await hold();
      isHeld = held.payable;
      return held;
    } finally {
      if (!isHeld) this.release(draw);
    }
  }

  /** A credit that was held so cost nothing. */
  release(draw: Draw): void {
    const { ownerCreditsPerMinute: perMinute } = draw;
    if (perMinute !== undefined) this.giveBack(keyOf(draw), perMinute);
  }

  /**
   * Resolves when a token of the bucket is taken.
   * @throws KhachapuriError `rate_limited` where there is none, `database_unavailable`
   */
  async take(key: string, perMinute: number): Promise<void> {
    const lease = this.#leaseOf(key, perMinute);
    lease.isUsed = true;
    if (lease.waiters.length === 0 && lease.tokens > 0) {
      lease.tokens -= 1;
      // The next ones are here before the last one is gone.
      if (lease.tokens === 0 && portionOf(lease) > 1) this.#ask(lease);
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    lease.waiters.push({ resolve, reject });
    this.#ask(lease);
    await promise;
  }

  /** What took a token cost nothing. */
  giveBack(key: string, perMinute: number): void {
    this.#leaseOf(key, perMinute).tokens += 1;
  }

  /** What is left goes back. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all([...this.#leases.values()].map((lease) => this.#return(lease)));
  }

  #leaseOf(key: string, perMinute: number): Lease {
    // Of a spec with another rate the bucket is another one.
    return this.#leases.getOrInsertComputed(`${perMinute} ${key}`, (key) => {
      const bucket = { key: `rate ${key}`, size: perMinute, perSecond: perMinute / 60 };
      return { bucket, perMinute, tokens: 0, waiters: [], isAsking: false, isUsed: true };
    });
  }

  async #ask(lease: Lease): Promise<void> {
    if (lease.isAsking) return;
    lease.isAsking = true;
    try {
      do {
        const wanted = Math.max(portionOf(lease), lease.waiters.length);
        this.#giveOut(lease, wanted, await leaseTokens(this.database, lease.bucket, wanted));
      } while (lease.waiters.length > 0);
    } catch (error) {
      for (const { reject } of lease.waiters.splice(0)) reject(error);
    } finally {
      lease.isAsking = false;
    }
  }

  #giveOut(lease: Lease, wanted: number, { taken, waitSeconds }: Leased): void {
    lease.tokens += taken;
    const served = lease.waiters.splice(0, Math.min(lease.tokens, lease.waiters.length));
    lease.tokens -= served.length;
    for (const { resolve } of served) resolve();
    if (taken >= wanted) return;
    for (const { reject } of lease.waiters.splice(0)) reject(tooFast(lease.perMinute, waitSeconds));
  }

  #sweep(): void {
    for (const [key, lease] of this.#leases) {
      if (lease.isUsed || lease.isAsking || lease.waiters.length > 0) lease.isUsed = false;
      else {
        this.#leases.delete(key);
        this.#return(lease);
      }
    }
  }

  async #return(lease: Lease): Promise<void> {
    const { tokens, bucket } = lease;
    lease.tokens = 0;
    // Where it fails, the owner pays for less.
    if (tokens > 0) await returnTokens(this.database, bucket, tokens).catch(() => {});
  }
}

/** An owner's lane is its deployment's. */
function keyOf({ payer, lane }: Draw): string {
  return `${payer}:${lane}`;
}

function portionOf({ bucket: { perSecond } }: Lease): number {
  return Math.max(1, Math.min(LEASED_MOST, Math.floor(perSecond / LEASED_PART)));
}

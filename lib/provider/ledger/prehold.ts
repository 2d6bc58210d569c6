/**
 * Credits held before the calls that take them. Where calls on a lane follow one another quickly,
 * the charge of one call and the reservation for a later one share a write: the later call finds
 * its credit held and on disk, and waits for no disk. As many are held as calls come while the disk
 * is busy. What no call takes is released within a second, or at once when another call of its
 * payer needs the credit.
 */
import type { Address, Hex } from "viem";
import { DEPLOYMENT_CONCURRENCY_MAX } from "../../limits.ts";
import type { Draw, PayerView, Preholds } from "./judge.ts";
import type { LaneId, ReleaseEntry } from "./journal.ts";
import type { Store } from "./store.ts";

/** A credit that is held for the next call like the one that left it. */
export interface Prehold {
  readonly reservation: number;
  /** The store's mark behind the reservation. */
  readonly mark: number;
}

/** A prehold is kept for one to two of these, ms. */
const SWEEP_MS = 500;

/** What preholds need of the store. */
type Writing = Pick<Store, "write" | "mark" | "isOnDisk">;

interface Kept extends Prehold {
  readonly price: bigint;
  /** Whether a sweep has seen it. */
  isOld: boolean;
}

/** The sum over the pools of a payer, or of a lane. */
interface Tally {
  credits: bigint;
  pools: number;
}

/** And what the escrow said of the payer when it was last judged. */
interface PayerTally extends Tally {
  view: PayerView | null;
}

/** The sums over all pools. */
interface Sums {
  amount: bigint;
  isClosed: boolean;
}

/** The preholds for calls of one deployment on one lane, by one permit. */
export class Pool {
  /** Oldest first. */
  #kept: Kept[] = [];
  /** How many there may be. */
  #depth = 1;
  /** How often there were too few since one more was last wanted. */
  #misses = 0;
  #calls = 0;
  #callsSinceSweep = 0;

  constructor(
    readonly lane: LaneId,
    private readonly store: Writing,
    private readonly ofPayer: PayerTally,
    private readonly onLane: Tally,
    private readonly totals: Sums,
  ) {
    ofPayer.pools += 1;
    onLane.pools += 1;
  }

  /**
   * Counts a call and hands it the oldest prehold, if there is one at its price.
   * @param view what the call was judged by
   */
  take(price: bigint, view: PayerView): Prehold | null {
    this.#callsSinceSweep += 1;
    this.#calls += 1;
    this.ofPayer.view = view;
    if (this.#calls === 1) return null;
    const first = this.#kept[0];
    const isReady = first !== undefined && this.store.isOnDisk(first.mark);
    if (!isReady) {
      // As many as one deployment's sandbox runs at a time.
      if (this.#depth < DEPLOYMENT_CONCURRENCY_MAX) this.#depth += 1;
      // Also of a full depth some are missing: those that were released, or whose calls failed.
      if (this.#misses < DEPLOYMENT_CONCURRENCY_MAX) this.#misses += 1;
    }
    if (first?.price !== price) return null;
    this.#kept.shift();
    this.#count(-1n, price);
    return first;
  }

  /** Asked as a call ends: how many more credits to hold for such calls. */
  wanted(): number {
    const room = this.#depth - this.#kept.length;
    if (this.totals.isClosed || this.#calls < 2 || room <= 0) return 0;
    if (this.#misses === 0 || room === 1) return 1;
    this.#misses -= 1;
    return 2;
  }

  /**
   * Whether there can be no more of them, and later ones are not on disk yet: whoever takes those
   * would wait for it, unless it is written now.
   */
  isRunningShort(): boolean {
    if (this.#depth < DEPLOYMENT_CONCURRENCY_MAX) return false;
    const later = this.#kept[this.#kept.length >> 1];
    return later !== undefined && !this.store.isOnDisk(later.mark);
  }

  /** What the payer's last call was judged by. */
  lastView(): PayerView | null {
    return this.ofPayer.view;
  }

  /** Adds a credit whose reservation the store was handed just now. */
  add(price: bigint, reservation: number): void {
    this.#kept.push({ reservation, mark: this.store.mark(), price, isOld: false });
    this.#count(1n, price);
  }

  /** Releases what two sweeps in a row have seen; false when it is empty and no call came. */
  sweep(): boolean {
    this.#release(this.#kept.filter(({ isOld }) => isOld));
    for (const each of this.#kept) each.isOld = true;
    const isUsed = this.#callsSinceSweep > 0 || this.#kept.length > 0;
    this.#callsSinceSweep = 0;
    return isUsed;
  }

  giveBack(): void {
    this.#release(this.#kept);
  }

  #count(by: 1n | -1n, price: bigint): void {
    this.ofPayer.credits += by;
    this.onLane.credits += by;
    this.totals.amount += by * price;
  }

  #release(released: readonly Kept[]): void {
    if (released.length === 0) return;
    this.#kept = this.#kept.filter((each) => !released.includes(each));
    for (const { price } of released) this.#count(-1n, price);
    const { payer, lane } = this.lane;
    const entries = released.map(({ reservation }): ReleaseEntry => (
      { kind: "release", payer, lane, reservation, reason: "unused" }
    ));
    // A ledger that cannot be written refuses the next call; the next start releases the rest.
    this.store.write(entries, "handed over").catch(() => {});
  }
}

export class PreholdBook implements Preholds {
  /** By permit, then by deployment: both texts are at hand, a joined one would be long. */
  readonly #pools = new Map<Hex, Map<string, Pool>>();
  readonly #payers = new Map<Address, PayerTally>();
  readonly #lanes = new Map<string, Tally>();
  readonly #totals: Sums = { amount: 0n, isClosed: false };
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(private readonly store: Writing) {}

  /** The pool for calls like this one. */
  poolOf(draw: Draw): Pool {
    const { permit: { signature }, cid } = draw;
    let own = this.#pools.get(signature);
    if (!own) this.#pools.set(signature, own = new Map());
    const known = own.get(cid);
    if (known) return known;
    const pool = this.#open(draw);
    own.set(cid, pool);
    this.#arm();
    return pool;
  }

  ofPayer(payer: Address): bigint {
    return this.#payers.get(payer)?.credits ?? 0n;
  }

  onLane(payer: Address, lane: Hex): bigint {
    return this.#lanes.get(laneKey(payer, lane))?.credits ?? 0n;
  }

  /** What all preholds would cost; USDC base units. */
  amount(): bigint {
    return this.#totals.amount;
  }

  /** Releases a payer's preholds; their credits are free at once. */
  giveBack(payer: Address): void {
    if (!this.#payers.get(payer)?.credits) return;
    for (const pool of this.#all()) if (pool.lane.payer === payer) pool.giveBack();
  }

  /** Releases all; no more are made. */
  close(): void {
    this.#totals.isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (const pool of this.#all()) pool.giveBack();
  }

  #open({ payer, lane }: Draw): Pool {
    const key = laneKey(payer, lane);
    const ofPayer = this.#payers.get(payer) ?? { credits: 0n, pools: 0, view: null };
    const onLane = this.#lanes.get(key) ?? { credits: 0n, pools: 0 };
    this.#payers.set(payer, ofPayer);
    this.#lanes.set(key, onLane);
    return new Pool({ payer, lane }, this.store, ofPayer, onLane, this.#totals);
  }

  *#all(): Iterable<Pool> {
    for (const own of this.#pools.values()) yield* own.values();
  }

  /** Ages by counting sweeps, so that no call has to look at a clock. */
  #sweep(): void {
    this.#timer = null;
    for (const [signature, own] of this.#pools) {
      for (const [cid, pool] of own) {
        if (pool.sweep()) continue;
        this.#forget(pool);
        own.delete(cid);
      }
      if (own.size === 0) this.#pools.delete(signature);
    }
    if (this.#pools.size > 0) this.#arm();
  }

  /** An empty pool is counted no more. */
  #forget({ lane: { payer, lane } }: Pool): void {
    const ofPayer = this.#payers.get(payer);
    if (ofPayer && --ofPayer.pools === 0) this.#payers.delete(payer);
    const key = laneKey(payer, lane);
    const onLane = this.#lanes.get(key);
    if (onLane && --onLane.pools === 0) this.#lanes.delete(key);
  }

  #arm(): void {
    if (this.#timer !== null || this.#totals.isClosed) return;
    this.#timer = setTimeout(() => this.#sweep(), SWEEP_MS);
    Deno.unrefTimer(this.#timer);
  }
}

function laneKey(payer: Address, lane: Hex): string {
  return `${payer}:${lane}`;
}

/**
 * Reservations made ahead of the calls that take them. Where calls on a lane follow one another
 * quickly, the charge of one and the reservation for a later one share a commit: the later one finds
 * its credit held, and on disk, and waits for no disk. As many are held as come while the disk is
 * on its way. What nobody takes is released soon, or at once when another call of its payer needs
 * the credit.
 */
import type { Address, Hex } from "viem";
import type { Bill } from "./bill.ts";
import type { Entry } from "./journal.ts";
import type { Ledger } from "./ledger.ts";

/** A credit that is held for the next call like the one that left it. */
export interface Spare {
  readonly reservation: number;
  /** The ledger's mark behind the reservation. */
  readonly mark: number;
}

export interface Ahead {
  /** Notes a call and hands it the credit that is held for it, if there is one. */
  take(bill: Bill): Spare | null;
  /** How many more credits to hold for calls like this one, as quickly as they come. */
  wanted(bill: Bill): number;
  /** Keeps a credit, whose reservation was written just now, for a call like this. */
  leave(bill: Bill, reservation: number): void;
  /** Credits held ahead for a payer, on all lanes. */
  ofPayer(payer: Address): bigint;
  onLane(payer: Address, lane: Hex): bigint;
  /** What all of it would cost; USDC base units. */
  amount(): bigint;
  /** Releases what is held ahead for a payer; it counts at once. */
  giveBack(payer: Address): void;
  /** Releases everything. */
  close(): void;
}

/** What is held ahead is kept for one to two of these, ms. */
const KEPT_MS = 500;
/** As many as one deployment's sandbox runs at a time. */
const POOL_MAX = 64;
/** A call makes up for itself, and for one more where there were too few. */
const LEFT_MAX = 2;

interface Held extends Spare {
  readonly permit: string;
  readonly price: bigint;
  isOld: boolean;
}

/** What calls of one deployment on one lane find. */
interface Pool {
  readonly payer: Address;
  readonly lane: Hex;
  /** Oldest first. */
  spares: Held[];
  /** How many there should be, once calls come quickly. */
  depth: number;
  /** A second call has come soon after the first. */
  isBusy: boolean;
  /** No call has come since the last sweep. */
  isOld: boolean;
}

export function createAhead(ledger: Pick<Ledger, "commit" | "mark" | "isDurable">): Ahead {
  const pools = new Map<string, Pool>();
  const ofPayer = createTally<Address>();
  const onLane = createTally<string>();
  let timer: ReturnType<typeof setTimeout> | null = null;
  let amount = 0n;
  let isClosed = false;

  function count({ payer, lane }: Pool, by: 1n | -1n, price: bigint): void {
    ofPayer.add(payer, by);
    onLane.add(laneKey(payer, lane), by);
    amount += by * price;
  }

  /** A ledger that cannot be written refuses every call and says so; a start releases the rest. */
  function release(pool: Pool, spares: readonly Held[]): void {
    if (spares.length === 0) return;
    pool.spares = pool.spares.filter((held) => !spares.includes(held));
    for (const { price } of spares) count(pool, -1n, price);
    const { payer, lane } = pool;
    try {
      ledger.commit(...spares.map(({ reservation }): Entry => (
        { kind: "release", payer, lane, reservation, reason: "unused" }
      )));
    } catch { /* as said */ }
  }

  /** Takes turns instead of looking at a clock: what two sweeps in a row have seen goes. */
  function sweep(): void {
    timer = null;
    for (const [key, pool] of pools) {
      release(pool, pool.spares.filter(({ isOld }) => isOld));
      for (const held of pool.spares) held.isOld = true;
      if (pool.isOld && pool.spares.length === 0) pools.delete(key);
      pool.isOld = true;
    }
    arm();
  }

  function arm(): void {
    if (timer !== null || pools.size === 0 || isClosed) return;
    timer = setTimeout(sweep, KEPT_MS);
    Deno.unrefTimer(timer);
  }

  return {
    take(bill) {
      const pool = pools.get(poolKey(bill));
      if (!pool) {
        const { payer, lane } = bill;
        const fresh = { payer, lane, spares: [], depth: 1, isBusy: false, isOld: false };
        pools.set(poolKey(bill), fresh);
        arm();
        return null;
      }
      pool.isBusy = true;
      pool.isOld = false;
      const first = pool.spares[0];
      const isThere = first && ledger.isDurable(first.mark);
      if (!isThere) pool.depth = Math.min(pool.depth + 1, POOL_MAX);
      if (first?.price !== bill.price || first.permit !== bill.permit.signature) return null;
      pool.spares.shift();
      count(pool, -1n, first.price);
      return first;
    },
    wanted(bill) {
      const pool = pools.get(poolKey(bill));
      if (isClosed || !pool?.isBusy) return 0;
      return Math.min(Math.max(pool.depth - pool.spares.length, 0), LEFT_MAX);
    },
    leave(bill, reservation) {
      const pool = pools.get(poolKey(bill))!;
      const { permit: { signature: permit }, price } = bill;
      pool.spares.push({ reservation, mark: ledger.mark(), permit, price, isOld: false });
      count(pool, 1n, price);
    },
    ofPayer: ofPayer.of,
    onLane: (payer, lane) => onLane.of(laneKey(payer, lane)),
    amount: () => amount,
    giveBack(payer) {
      if (ofPayer.of(payer) === 0n) return;
      for (const pool of pools.values()) {
        if (pool.payer === payer) release(pool, pool.spares);
      }
    },
    close() {
      isClosed = true;
      if (timer !== null) clearTimeout(timer);
      timer = null;
      for (const pool of pools.values()) release(pool, pool.spares);
    },
  };
}

const laneKey = (payer: Address, lane: Hex) => `${payer}:${lane}`;
const poolKey = ({ payer, lane, deployment }: Bill) => `${payer}:${lane}:${deployment}`;

/** Counts by key; what is at zero takes no room. */
function createTally<Key>() {
  const counts = new Map<Key, bigint>();
  const of = (key: Key) => counts.get(key) ?? 0n;
  return {
    of,
    add(key: Key, by: bigint): void {
      const sum = of(key) + by;
      if (sum === 0n) counts.delete(key);
      else counts.set(key, sum);
    },
  };
}

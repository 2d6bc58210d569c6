/**
 * Reservations made ahead of the calls that take them. Where calls on a lane follow one another
 * quickly, the charge of one and the reservation for the next share a commit: the next finds its
 * credit held, and on disk, and a call waits for the disk once instead of twice. What nobody takes
 * is released soon, or at once when another call of its payer needs the credit.
 */
import type { Address, Hex } from "viem";
import type { Bill } from "./bill.ts";
import type { Entry } from "./journal.ts";
import type { Ledger } from "./ledger.ts";

/** A credit that is held for the next call like the one that left it. */
export interface Spare {
  readonly reservation: number;
  /** Resolves when the reservation is on disk. */
  readonly durable: Promise<void>;
}

export interface Ahead {
  /** Notes a call and hands it the credit that is held for it, if there is one. */
  take(bill: Bill): Spare | null;
  /** Whether calls like this one come quickly enough to hold a credit for the next. */
  isWorthwhile(bill: Bill): boolean;
  /** Keeps a credit, whose reservation is on its way to the disk, for the next call like this. */
  leave(bill: Bill, spare: Spare): void;
  /** Credits held ahead for a payer, on all lanes. */
  ofPayer(payer: Address): bigint;
  onLane(payer: Address, lane: Hex): bigint;
  /** What all of it would cost; USDC base units. */
  amount(): bigint;
  /** Releases what is held ahead for a payer; it counts at once. */
  giveBack(payer: Address): void;
  /** Releases everything. */
  close(): Promise<void>;
}

/** What is held ahead is kept for one to two of these, ms. */
const KEPT_MS = 500;
/** As many as one deployment's sandbox runs at a time. */
const POOL_MAX = 64;

interface Held extends Spare {
  readonly permit: string;
  readonly price: bigint;
  isOld: boolean;
}

/** What calls of one deployment on one lane find. */
interface Pool {
  readonly payer: Address;
  readonly lane: Hex;
  spares: Held[];
  /** A second call has come soon after the first. */
  isBusy: boolean;
  /** No call has come since the last sweep. */
  isOld: boolean;
}

export function createAhead(ledger: Pick<Ledger, "append">): Ahead {
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
  async function release(pool: Pool, spares: readonly Held[]): Promise<void> {
    if (spares.length === 0) return;
    pool.spares = pool.spares.filter((held) => !spares.includes(held));
    for (const { price } of spares) count(pool, -1n, price);
    const { payer, lane } = pool;
    const released = ledger.append(...spares.map(({ reservation }): Entry => (
      { kind: "release", payer, lane, reservation, reason: "unused" }
    )));
    await released.catch(() => {});
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
        pools.set(poolKey(bill), { payer, lane, spares: [], isBusy: false, isOld: false });
        arm();
        return null;
      }
      pool.isBusy = true;
      pool.isOld = false;
      const last = pool.spares.at(-1);
      if (!last || last.price !== bill.price || last.permit !== bill.permit.signature) return null;
      pool.spares.pop();
      count(pool, -1n, last.price);
      return last;
    },
    isWorthwhile(bill) {
      const pool = pools.get(poolKey(bill));
      return !isClosed && pool !== undefined && pool.isBusy && pool.spares.length < POOL_MAX;
    },
    leave(bill, spare) {
      const pool = pools.get(poolKey(bill))!;
      const { permit: { signature: permit }, price } = bill;
      pool.spares.push({ ...spare, permit, price, isOld: false });
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
    async close() {
      isClosed = true;
      if (timer !== null) clearTimeout(timer);
      timer = null;
      await Promise.all([...pools.values()].map((pool) => release(pool, pool.spares)));
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

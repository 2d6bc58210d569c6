/**
 * Reservations made ahead of the calls that take them. Where calls on a lane follow one another
 * quickly, the charge of one and the reservation for a later one share a commit: the later one
 * finds its credit held, and on disk, and waits for no disk. As many are held as come while the
 * disk is on its way. What nobody takes is released soon, or at once when another call of its payer
 * needs the credit.
 */
import type { Address, Hex } from "viem";
import type { Bill } from "./bill.ts";
import type { Entry } from "../ledger/journal.ts";
import type { Ledger } from "../ledger/ledger.ts";

/** A credit that is held for the next call like the one that left it. */
export interface Spare {
  readonly reservation: number;
  /** The ledger's mark behind the reservation. */
  readonly mark: number;
}

/** What calls of one deployment on one lane, by one permit, find held. */
export interface Pool {
  /** Notes a call and hands it the credit that is held for it, if there is one. */
  take(price: bigint): Spare | null;
  /** Asked as a call ends: how many more credits to hold for such calls. */
  wanted(): number;
  /** Keeps a credit, whose reservation the ledger was handed just now, for such a call. */
  leave(price: bigint, reservation: number): void;
}

export interface Ahead {
  /** Where calls like this one find what is held for them. */
  poolOf(bill: Bill): Pool;
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

interface Held extends Spare {
  readonly price: bigint;
  isOld: boolean;
}

interface OpenPool extends Pool {
  readonly payer: Address;
  /** Releases what two sweeps in a row have seen; false when it is empty and no call came. */
  sweep(): boolean;
  giveBack(): void;
  /** Of an empty one: it counts nothing any more. */
  close(): void;
}

/** What is held in all pools of a payer, or of a lane. */
interface Tally {
  credits: bigint;
  pools: number;
}

export function createAhead(ledger: Pick<Ledger, "commit" | "mark" | "isDurable">): Ahead {
  /** By permit, then deployment: the texts of both are at hand, and long. */
  const pools = new Map<Hex, Map<string, OpenPool>>();
  const payers = new Map<Address, Tally>();
  const lanes = new Map<string, Tally>();
  let timer: ReturnType<typeof setTimeout> | null = null;
  let amount = 0n;
  let isClosed = false;

  function openPool({ payer, lane }: Bill): OpenPool {
    const laneKey = `${payer}:${lane}`;
    const ofPayer = entry(payers, payer, emptyTally);
    const onLane = entry(lanes, laneKey, emptyTally);
    ofPayer.pools += 1;
    onLane.pools += 1;
    /** Oldest first. */
    let spares: Held[] = [];
    /** How many there may be, and how often there were too few since one more was last held. */
    let [depth, misses] = [1, 0];
    /** Calls since it was opened, and since the last sweep. */
    let [calls, lately] = [0, 0];

    function count(by: 1n | -1n, price: bigint): void {
      ofPayer.credits += by;
      onLane.credits += by;
      amount += by * price;
    }

    /** A ledger that cannot be written refuses every call; a start releases what is left. */
    function release(released: readonly Held[]): void {
      if (released.length === 0) return;
      spares = spares.filter((held) => !released.includes(held));
      for (const { price } of released) count(-1n, price);
      const entries = released.map(({ reservation }): Entry => (
        { kind: "release", payer, lane, reservation, reason: "unused" }
      ));
      ledger.commit(...entries).catch(() => {}); // Every call will say so.
    }

    return {
      payer,
      take(price) {
        lately += 1;
        calls += 1;
        if (calls === 1) return null;
        const first = spares[0];
        const isThere = first && ledger.isDurable(first.mark);
        if (!isThere && depth < POOL_MAX) {
          depth += 1;
          misses += 1;
        }
        if (first?.price !== price) return null;
        spares.shift();
        count(-1n, price);
        return first;
      },
      wanted() {
        const room = depth - spares.length;
        if (isClosed || calls < 2 || room <= 0) return 0;
        if (misses === 0 || room === 1) return 1;
        misses -= 1;
        return 2;
      },
      leave(price, reservation) {
        spares.push({ reservation, mark: ledger.mark(), price, isOld: false });
        count(1n, price);
      },
      sweep() {
        release(spares.filter(({ isOld }) => isOld));
        for (const held of spares) held.isOld = true;
        const isUsed = lately > 0 || spares.length > 0;
        lately = 0;
        return isUsed;
      },
      giveBack: () => release(spares),
      close() {
        if (--ofPayer.pools === 0) payers.delete(payer);
        if (--onLane.pools === 0) lanes.delete(laneKey);
      },
    };
  }

  function* allPools(): Iterable<OpenPool> {
    for (const own of pools.values()) yield* own.values();
  }

  /** Takes turns instead of looking at a clock. */
  function sweep(): void {
    timer = null;
    for (const [signature, own] of pools) {
      for (const [deployment, pool] of own) {
        if (pool.sweep()) continue;
        pool.close();
        own.delete(deployment);
      }
      if (own.size === 0) pools.delete(signature);
    }
    if (pools.size > 0) arm();
  }

  function arm(): void {
    if (timer !== null || isClosed) return;
    timer = setTimeout(sweep, KEPT_MS);
    Deno.unrefTimer(timer);
  }

  return {
    poolOf(bill) {
      const own = entry(pools, bill.permit.signature, () => new Map());
      return entry(own, bill.deployment, () => {
        arm();
        return openPool(bill);
      });
    },
    ofPayer: (payer) => payers.get(payer)?.credits ?? 0n,
    onLane: (payer, lane) => lanes.get(`${payer}:${lane}`)?.credits ?? 0n,
    amount: () => amount,
    giveBack(payer) {
      if (!payers.get(payer)?.credits) return;
      for (const pool of allPools()) {
        if (pool.payer === payer) pool.giveBack();
      }
    },
    close() {
      isClosed = true;
      if (timer !== null) clearTimeout(timer);
      timer = null;
      for (const pool of allPools()) pool.giveBack();
    },
  };
}

const emptyTally = (): Tally => ({ credits: 0n, pools: 0 });

/** What a map has under a key; made when there is nothing. */
function entry<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

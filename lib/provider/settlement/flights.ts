/** The batches that are out: how many there may be, and which lanes and sums they carry. */
import type { LaneId } from "../ledger/journal.ts";
import type { DueLane } from "../ledger/ledger.ts";
import { inSlices } from "../../slices.ts";
import { amountOf, keyOf, type Row } from "./rows.ts";

/** Batches out at once: some blocks' worth, on consecutive nonces. */
const FLIGHTS_AT_ONCE = 8;
/** And for what cannot wait as many again, so that it need not stand behind what is stuck. */
const URGENT_FLIGHTS_AT_ONCE = 16;
/**
 * After so long without an end, a lane may go with one more batch when it can no longer wait: that
 * one may cost more, and brings what is before it along, ms.
 */
const STUCK_MS = 120_000;

interface Flight {
  readonly rows: readonly Row[];
  readonly amount: bigint;
  readonly launchedAt: number;
  /** Whether any of it could wait when it went. */
  readonly couldWait: boolean;
}

/** Credits of a lane that are on their way, all at one price. */
interface Carried {
  /** The lane's counters around them. */
  readonly from: bigint;
  readonly upTo: bigint;
  /** USDC base units a credit. */
  readonly price: bigint;
  readonly flight: Flight;
}

export class Flights {
  readonly #out = new Set<Flight>();
  /** By lane; in the order of their launch, each going on where one before it ends, or earlier. */
  readonly #carried = new Map<string, readonly Carried[]>();
  #amount = 0n;
  #landed = Promise.withResolvers<void>();

  constructor(private readonly now: () => number) {}

  /** USDC base units that are on their way. */
  amount(): bigint {
    return this.#amount;
  }

  /** What is due of lanes and not on its way. */
  async rests(due: readonly DueLane[]): Promise<DueLane[]> {
    const rests: DueLane[] = [];
    await inSlices(due, (lane) => {
      const rest = this.rest(lane);
      if (rest !== null) rests.push(rest);
    });
    return rests;
  }

  /** What is due of a lane and not on its way; null when that is nothing. */
  rest(due: DueLane): DueLane | null {
    const carried = this.#carried.get(keyOf(due)) ?? [];
    const newest = carried.at(-1)?.flight;
    if (!newest || this.#isStuck(newest)) return due;
    const amount = due.amount - amountBeyond(due.settled, carried);
    if (amount <= 0n) return null;
    return { ...due, amount, since: Math.max(due.since, newest.launchedAt) };
  }

  /** The counter that a lane will be settled to; undefined when all of it is to go. */
  upTo(lane: LaneId, canWait: boolean): bigint | undefined {
    const newest = this.#carried.get(keyOf(lane))?.at(-1);
    if (!newest || !canWait && this.#isStuck(newest.flight)) return undefined;
    return newest.upTo;
  }

  /** Whether one more batch may go. */
  hasRoom(canWait: boolean): boolean {
    return this.#out.size < (canWait ? FLIGHTS_AT_ONCE : URGENT_FLIGHTS_AT_ONCE);
  }

  /** Resolves when the next batch ends. */
  async landing(): Promise<void> {
    await this.#landed.promise;
  }

  /** @returns to be called when the batch has ended */
  start(rows: readonly Row[], couldWait: boolean): () => void {
    const flight: Flight = { rows, amount: amountOf(rows), launchedAt: this.now(), couldWait };
    this.#out.add(flight);
    this.#amount += flight.amount;
    for (const { lane, charge: { credits: upTo, price }, fresh } of rows) {
      const before = this.#carried.get(keyOf(lane)) ?? [];
      this.#carried.set(keyOf(lane), [...before, { from: upTo - fresh, upTo, price, flight }]);
    }
    return () => this.#end(flight);
  }

  #isStuck({ launchedAt, couldWait }: Flight): boolean {
    return couldWait && this.now() - launchedAt >= STUCK_MS;
  }

  #end(flight: Flight): void {
    this.#out.delete(flight);
    this.#amount -= flight.amount;
    for (const { lane } of flight.rows) {
      const rest = this.#carried.get(keyOf(lane))?.filter((carried) => carried.flight !== flight);
      if (rest?.length) this.#carried.set(keyOf(lane), rest);
      else this.#carried.delete(keyOf(lane));
    }
    this.#landed.resolve();
    this.#landed = Promise.withResolvers();
  }
}

/**
 * USDC base units of what is carried beyond `settled`. The book may have heard that a batch was
 * mined while that is still out, and a batch that is stuck is carried again by a later one.
 */
function amountBeyond(settled: bigint, carried: readonly Carried[]): bigint {
  let amount = 0n;
  let counted = settled;
  for (const { from, upTo, price } of carried) {
    const begin = from > counted ? from : counted;
    if (upTo <= begin) continue;
    amount += (upTo - begin) * price;
    counted = upTo;
  }
  return amount;
}

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

/** What of a lane is on its way. */
interface Carried {
  /** The counter that it will be settled to. */
  readonly upTo: bigint;
  /** USDC base units. */
  readonly amount: bigint;
  readonly newest: Flight;
}

export class Flights {
  readonly #out = new Set<Flight>();
  readonly #lanes = new Map<string, Carried>();
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
    const carried = this.#lanes.get(keyOf(due));
    if (!carried || this.#isStuck(carried.newest)) return due;
    const amount = due.amount - carried.amount;
    if (amount <= 0n) return null;
    return { ...due, amount, since: Math.max(due.since, carried.newest.launchedAt) };
  }

  /** The counter that a lane will be settled to; undefined when all of it is to go. */
  upTo(lane: LaneId, canWait: boolean): bigint | undefined {
    const carried = this.#lanes.get(keyOf(lane));
    if (!carried || !canWait && this.#isStuck(carried.newest)) return undefined;
    return carried.upTo;
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
      const before = this.#lanes.get(keyOf(lane))?.amount ?? 0n;
      this.#lanes.set(keyOf(lane), { upTo, amount: before + fresh * price, newest: flight });
    }
    return () => this.#end(flight);
  }

  #isStuck({ launchedAt, couldWait }: Flight): boolean {
    return couldWait && this.now() - launchedAt >= STUCK_MS;
  }

  #end(flight: Flight): void {
    this.#out.delete(flight);
    this.#amount -= flight.amount;
    for (const { lane, charge: { price }, fresh } of flight.rows) {
      const carried = this.#lanes.get(keyOf(lane));
      if (!carried) continue;
      const amount = carried.amount - fresh * price;
      // What a lane's newest batch carries ends with that.
      if (carried.newest === flight) this.#lanes.delete(keyOf(lane));
      else this.#lanes.set(keyOf(lane), { ...carried, amount });
    }
    this.#landed.resolve();
    this.#landed = Promise.withResolvers();
  }
}

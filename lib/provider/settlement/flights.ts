/** The batches that are out: how many there may be, and which lanes and sums they carry. */
import type { LaneId } from "../ledger/journal.ts";
import { amountOf, keyOf, type Row } from "./rows.ts";

/** Batches out at once: some blocks' worth, on consecutive nonces. */
const FLIGHTS_MAX = 8;
/** And for what cannot wait as many again, so that it need not stand behind what is stuck. */
const URGENT_FLIGHTS_MAX = 16;
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

export class Flights {
  readonly #out = new Set<Flight>();
  readonly #byLane = new Map<string, Flight>();
  #amount = 0n;
  #rows = 0;
  #landed = Promise.withResolvers<void>();

  constructor(private readonly now: () => number) {}

  /** USDC base units that are on their way. */
  amount(): bigint {
    return this.#amount;
  }

  rows(): number {
    return this.#rows;
  }

  /** Whether a lane is to be left out, as a batch with it is on its way. */
  carries(lane: LaneId, canWait: boolean): boolean {
    const flight = this.#byLane.get(keyOf(lane));
    if (!flight) return false;
    return canWait || !flight.couldWait || this.now() - flight.launchedAt < STUCK_MS;
  }

  /** Resolves when one more batch may go. */
  async room(canWait: boolean): Promise<void> {
    const most = canWait ? FLIGHTS_MAX : URGENT_FLIGHTS_MAX;
    while (this.#out.size >= most) await this.#landed.promise;
  }

  /** @returns to be called when the batch has ended */
  start(rows: readonly Row[], couldWait: boolean): () => void {
    const flight: Flight = { rows, amount: amountOf(rows), launchedAt: this.now(), couldWait };
    this.#out.add(flight);
    this.#amount += flight.amount;
    this.#rows += rows.length;
    for (const { lane } of rows) this.#byLane.set(keyOf(lane), flight);
    return () => this.#end(flight);
  }

  #end(flight: Flight): void {
    this.#out.delete(flight);
    this.#amount -= flight.amount;
    this.#rows -= flight.rows.length;
    for (const { lane } of flight.rows) {
      if (this.#byLane.get(keyOf(lane)) === flight) this.#byLane.delete(keyOf(lane));
    }
    this.#landed.resolve();
    this.#landed = Promise.withResolvers();
  }
}

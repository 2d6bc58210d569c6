/**
 * Credits whose `consume` transactions are out (`settlement.mode` "each"). A simulation does not
 * see those that wait for their block, so one more than the last credit would be sent, and revert
 * at our gas.
 */
import { KhachapuriError } from "../../errors.ts";
import type { LaneId } from "../ledger/journal.ts";

/** What the escrow would still give: to the payer's bills, and to those on the bill's lane. */
export interface Remaining {
  payer: bigint;
  lane: bigint;
}

export class Asking {
  readonly #asked = new Map<string, bigint>();

  /**
   * Asks for one credit of a lane.
   * @returns to be called when its transaction is over
   * @throws KhachapuriError `overloaded` when all that remains is asked for
   */
  ask({ payer, lane }: LaneId, remaining: Remaining): () => void {
    const ofLane = `${payer}:${lane}`;
    const isLast = (key: string, left: bigint) => (this.#asked.get(key) ?? 0n) >= left;
    if (isLast(payer, remaining.payer) || isLast(ofLane, remaining.lane)) throw allAsked();
    for (const key of [payer, ofLane]) this.#add(key, 1n);
    return () => {
      for (const key of [payer, ofLane]) this.#add(key, -1n);
    };
  }

  #add(key: string, by: bigint): void {
    const count = (this.#asked.get(key) ?? 0n) + by;
    if (count > 0n) this.#asked.set(key, count);
    else this.#asked.delete(key);
  }
}

function allAsked(): KhachapuriError {
  return new KhachapuriError("overloaded", "the last credits are being taken by other calls", {
    retryAfterSeconds: 2,
  });
}

/** A transaction that is out, with all that its next form needs. */
import { type Hex, keccak256, type TransactionReceipt } from "viem";
import type { Fees, Flight } from "./plan.ts";
import type { Outgoing, SignedForm } from "./store.ts";

export interface OutFlight extends Flight {
  sentAt: number;
  broadcastAt: number;
  readonly outgoing: Outgoing;
  /** Of the newest form. */
  fees: Fees;
  /** Every signed form, oldest first. */
  readonly forms: { raw: Hex; hash: Hex }[];
  /** For whoever waits for its end. */
  readonly settled: PromiseWithResolvers<TransactionReceipt>;
}

export function newFlight(nonce: number, outgoing: Outgoing, fees: Fees, now: number): OutFlight {
  const settled = Promise.withResolvers<TransactionReceipt>();
  // A flight of an earlier process, or one that fills a nonce, has nobody waiting for it.
  settled.promise.catch(() => {});
  return { nonce, outgoing, fees, sentAt: now, broadcastAt: now, forms: [], settled };
}

/** The flights whose forms a store holds, in the order of their nonces. */
export function storedFlights(forms: readonly SignedForm[], now: number): OutFlight[] {
  const flights = new Map<number, OutFlight>();
  for (const { raw, nonce, to, data, gas, maxFeePerGas, maxPriorityFeePerGas } of forms) {
    const fees = { maxFeePerGas, maxPriorityFeePerGas };
    const known = flights.get(nonce);
    const isSameCall = known && known.outgoing.to === to && known.outgoing.data === data;
    // Two calls of one nonce: the older could not be dropped when its launch failed.
    const flight = isSameCall ? known : newFlight(nonce, { to, data, gas }, fees, now);
    flight.fees = fees;
    flight.forms.push({ raw, hash: keccak256(raw) });
    flights.set(nonce, flight);
  }
  return [...flights.values()].sort((a, b) => a.nonce - b.nonce);
}

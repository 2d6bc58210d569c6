/** A transaction that is out, with all that its next form needs. */
import { type Hex, keccak256, type TransactionReceipt } from "viem";
import type { Fees } from "./fees.ts";
import type { Flight } from "./plan.ts";
import { type Call, isSameCall, type Outgoing, type SignedForm, type Standing } from "./store.ts";

/** One signed form of a transaction. */
export interface FlightForm extends Fees {
  raw: Hex;
  hash: Hex;
  gas: bigint;
  /** Whether it is a transfer of nothing that only takes the nonce. */
  isFiller: boolean;
}

export interface OutFlight extends Flight {
  rank: Standing["rank"];
  costMax: bigint | null;
  gas: bigint;
  sentAt: number;
  broadcastAt: number;
  sentHead: bigint | null;
  lacksCoin: boolean;
  /** What its first form does. */
  readonly launched: Call;
  /** What its next form will do. */
  outgoing: Outgoing;
  fees: Fees;
  /** When its first form was signed, Unix ms; null: unknown. */
  readonly since: number | null;
  readonly forms: FlightForm[];
  /** Hash of the form that the node was last seen to have; null: none was. */
  heldForm: Hex | null;
  /** For whoever waits for its end. */
  readonly settled: PromiseWithResolvers<TransactionReceipt>;
}

export function newFlight(
  nonce: number,
  outgoing: Outgoing,
  { rank, costMax }: Standing,
  fees: Fees,
  now: number,
): OutFlight {
  const settled = Promise.withResolvers<TransactionReceipt>();
  // A flight of an earlier process, or one that fills a nonce, has nobody waiting for it.
  settled.promise.catch(() => {});
  return {
    nonce,
    rank,
    costMax,
    gas: outgoing.gas,
    launched: outgoing,
    outgoing,
    fees,
    since: now,
    sentAt: now,
    broadcastAt: now,
    sentHead: null,
    lacksCoin: false,
    forms: [],
    heldForm: null,
    settled,
  };
}

/** The flight's newest form is this one. */
export function addForm(flight: OutFlight, form: SignedForm): void {
  const { raw, to, data, gas, rank, costMax, maxFeePerGas, maxPriorityFeePerGas } = form;
  const fees = { maxFeePerGas, maxPriorityFeePerGas };
  flight.forms.push({ raw, hash: keccak256(raw), gas, isFiller: rank === "filler", ...fees });
  Object.assign(flight, { rank, costMax, gas, outgoing: { to, data, gas }, fees });
}

/** The flights whose forms a store holds, in the order of their nonces. */
export function storedFlights(forms: readonly SignedForm[], now: number): OutFlight[] {
  const flights = new Map<number, OutFlight>();
  for (const form of forms) {
    const { nonce, to, data, gas, signedAt } = form;
    const known = flights.get(nonce);
    const flight = known && isNextForm(known, form)
      ? known
      : { ...newFlight(nonce, { to, data, gas }, form, form, now), since: signedAt };
    addForm(flight, form);
    // Nobody knows what became of its last broadcast.
    flight.broadcastAt = -Infinity;
    flights.set(nonce, flight);
  }
  return [...flights.values()].sort((a, b) => a.nonce - b.nonce);
}

/**
 * A filler replaces the call that it takes the nonce from. Of two other calls of one nonce the
 * older was never launched, and could not be dropped.
 */
function isNextForm({ outgoing }: OutFlight, form: SignedForm): boolean {
  return form.rank === "filler" || isSameCall(outgoing, form);
}

/** Whether a mined form is a filler in place of the call that was launched. */
export function gaveWay({ forms }: OutFlight, transaction: Hex): boolean {
  const mined = forms.find(({ hash }) => hash === transaction);
  return mined !== undefined && mined.isFiller && !forms[0]!.isFiller;
}

/** Hash of its newest form. */
export function hashOf({ forms }: OutFlight): Hex {
  return forms.at(-1)!.hash;
}

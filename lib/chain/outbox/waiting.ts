/** What a transaction that is out waits for, in words for a person who looks. Pure. */
import { formatEther, formatGwei } from "viem";
import { gasPriceOf, type Price } from "./fees.ts";
import type { OutFlight } from "./flight.ts";

/** What the chain says of the account now. */
export interface AccountFacts {
  /** Its mined transactions. */
  latest: number;
  /** Those and what the node holds unmined. */
  pending: number;
  /** Wei. */
  balance: bigint;
  price: Price;
}

/** @param nonces of all that is out */
export function waitsFor(
  { nonce, forms, fees }: OutFlight,
  nonces: readonly number[],
  { latest, pending, balance, price }: AccountFacts,
): string {
  if (nonce < latest) return "nothing: its nonce is used, the provider sees to it when it runs";
  const lowest = Math.min(...nonces.filter((other) => other >= latest));
  if (lowest > latest) return `nonce ${latest}, which is free: the provider fills it when it runs`;
  if (nonce > latest) return `nonce ${latest} before it`;
  const cheapest = forms.map(({ gas, maxFeePerGas }) => gas * maxFeePerGas).reduce(lesser);
  if (balance < cheapest) {
    return `gas coin: it needs ${formatEther(cheapest)}, there is ${formatEther(balance)}`;
  }
  if (fees.maxFeePerGas < gasPriceOf(price)) {
    const [cost, pays] = [gasPriceOf(price), fees.maxFeePerGas].map((wei) => formatGwei(wei));
    return `cheaper gas, or a higher fee: gas costs ${cost} gwei, it pays ${pays}`;
  }
  if (pending <= nonce) return "a node that has it: the provider broadcasts it when it runs";
  return "a block that takes it";
}

const lesser = (a: bigint, b: bigint) => a < b ? a : b;

/** What the page knows of a connected payer, and what its actions have in common. */
import { type Funds, readFunds } from "./funds.ts";
import { type Offer, readOffer, readRelayFee, type RelayFee, type Terms } from "./provider.ts";
import { Trouble } from "./trouble.ts";
import type { Wallet } from "./wallet.ts";
import type { Hex } from "./words.ts";

export interface Session {
  readonly terms: Terms;
  readonly wallet: Wallet;
  readonly offer: Offer;
  readonly relayFee: RelayFee;
  readonly funds: Funds;
  /** How far lanes are charged, as the provider has said. */
  readonly charged: Map<Hex, bigint>;
}

/** Reads it all anew; what was heard of lanes stays. */
export async function openSession(
  terms: Terms,
  wallet: Wallet,
  charged: Session["charged"],
): Promise<Session> {
  const [offer, relayFee, funds] = await Promise.all([
    readOffer(),
    readRelayFee(),
    readFunds(wallet, terms),
  ]);
  return { terms, wallet, offer, relayFee, funds, charged };
}

/** How an action reaches the chain. */
export type Way = "signature" | "transaction";

/** Tells the person what is going on. */
export type Say = (text: string) => void;

/** How long what is signed may be sent, seconds. */
export const LIFETIME_SECONDS = 600n;

/**
 * A whole number that a person wrote.
 * @throws Trouble that names what was asked for
 */
export function wholeNumber(text: string, what: string): bigint {
  const digits = text.trim();
  if (/^[0-9]{1,18}$/.test(digits) && BigInt(digits) > 0n) return BigInt(digits);
  throw new Trouble(`${what} is a whole number, at least 1.`);
}

/** An amount of USDC that a person wrote, base units. */
export function usdcAmount(text: string): bigint {
  const match = /^([0-9]{1,12})(?:[.,]([0-9]{1,6}))?$/.exec(text.trim());
  const amount = match ? BigInt(match[1]! + (match[2] ?? "").padEnd(6, "0")) : 0n;
  if (amount > 0n) return amount;
  throw new Trouble("Write the amount as 5 or 0.25, with six decimals at most.");
}

export const countOf = (credits: bigint) =>
  credits === 1n ? "1 credit" : `${grouped(credits)} credits`;

/** 12345678 as "12,345,678"; what cannot run out is "unlimited". */
export function grouped(count: bigint): string {
  if (count >= 1n << 96n) return "unlimited";
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

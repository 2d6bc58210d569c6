/** An allowance as a person reads it: what of it is thawing, what is unsettled, what is left. */
import { creditsCount, thawingText } from "../credits_text.ts";
import type { Allowance } from "../chain/escrow.ts";
import { formatUsdc } from "../chain/usdc.ts";

/** USDC locked for a provider, base units. */
export function lockedOf({ credits, pricePerCredit }: Allowance): bigint {
  return credits * pricePerCredit;
}

/**
 * Credits that further calls may have.
 * @param unsettled null where that is not known
 */
export function leftOf(
  { credits, thawingCredits }: Pick<Allowance, "credits" | "thawingCredits">,
  unsettled: bigint | null,
): bigint {
  const left = credits - thawingCredits - (unsettled ?? 0n);
  return left > 0n ? left : 0n;
}

/**
 * Whether further calls are paid of it.
 * @param unsettled null where that is not known
 * @param price that the provider asks for a credit, USDC base units; null where that is not known
 */
export function isPaying(
  allowance: Pick<Allowance, "credits" | "thawingCredits" | "pricePerCredit">,
  unsettled: bigint | null,
  price: bigint | null,
): boolean {
  return leftOf(allowance, unsettled) > 0n && allowance.pricePerCredit >= (price ?? 0n);
}

/**
 * What of an allowance is on its way back, until when, and how it comes; no line where nothing is.
 * @param now Unix seconds
 */
export function thawingLines(allowance: Allowance, name: string, now: bigint): string[] {
  const { thawingCredits, thawEnd, pricePerCredit } = allowance;
  if (thawingCredits === 0n) return [];
  const what = `${thawingText(allowance, now)}, ${
    formatUsdc(thawingCredits * pricePerCredit)
  } USDC`;
  return [`${what}${thawEnd > now ? "; then" : ""}: khachapuri reclaim ${name}`];
}

/** What calls have used or hold of it and the escrow has not taken. */
export function unsettledLines(unsettled: bigint | null, { pricePerCredit }: Allowance): string[] {
  if (unsettled === null || unsettled === 0n) return [];
  const most = formatUsdc(unsettled * pricePerCredit);
  return [`${creditsCount(unsettled)} unsettled, ${most} USDC at most: used or held by calls`];
}

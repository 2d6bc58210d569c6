/** What an allowance that stands, or thaws, means for the next one. */
import { formatUsdc } from "../chain/usdc.ts";
import { creditsText } from "../credits_text.ts";
import { timeText } from "../time_text.ts";
import type { Held } from "./funding.ts";

/** Until when what was revoked thaws; null where nothing was. */
export function thawText({ thawingCredits, thawEnd }: Held, now: bigint): string | null {
  if (thawingCredits === 0n) return null;
  const what = creditsText(thawingCredits);
  return thawEnd > now ? `${what} thaw until ${timeText(thawEnd)}` : `${what} have thawed`;
}

/**
 * What to do where a new allowance would be less than the one that stands.
 * @param now Unix seconds
 */
export function decreaseHints(
  held: Held,
  wanted: { readonly name: string; readonly credits: bigint; readonly pricePerCredit: bigint },
  now: bigint,
): string[] {
  const { name } = wanted;
  const thaws = thawText(held, now);
  if (thaws !== null && held.thawEnd <= now) {
    return [`${thaws}: khachapuri reclaim ${name}, and then allow again`];
  }
  const kept = `khachapuri allow ${name} --credits ${held.credits}`;
  if (thaws !== null) {
    return [
      `${thaws}: khachapuri reclaim ${name} after that, and then allow again`,
      `or keep them, which ends the thaw: ${kept} --price ${formatUsdc(held.pricePerCredit)}`,
    ];
  }
  if (wanted.pricePerCredit < held.pricePerCredit && wanted.credits >= held.credits) {
    const price = formatUsdc(held.pricePerCredit);
    return [`--price ${price} allows as much as before: ${name} charges its own price below it`];
  }
  return [
    `khachapuri revoke ${name} --credits ${held.credits - wanted.credits}`,
    `then, when they have thawed: khachapuri reclaim ${name}`,
  ];
}

/** What becomes of a thaw when credits are allowed anew; no line where nothing thawed. */
export function endedThawLines(held: Held): string[] {
  if (held.thawingCredits === 0n) return [];
  return [
    `the ${creditsText(held.thawingCredits)} that you revoked thaw no more: they are allowed`,
  ];
}

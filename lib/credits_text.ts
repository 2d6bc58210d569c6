/** Credits for people. */
import { UINT128_MAX } from "./permit.ts";
import { timeText } from "./time_text.ts";

/**
 * From here on a number of credits bounds nothing: the largest that can be counted stands for no
 * bound, and what is charged of it leaves more than anybody uses.
 */
const UNBOUNDED = UINT128_MAX / 2n;

/** A number of credits, or "unlimited". */
export function creditsCount(credits: bigint): string {
  return credits > UNBOUNDED ? "unlimited" : String(credits);
}

/** `1 credit`, `2 credits`, `unlimited credits`. */
export function creditsText(credits: bigint): string {
  return `${creditsCount(credits)} credit${credits === 1n ? "" : "s"}`;
}

/** What of an allowance is on its way back to the payer. */
export interface Thawing {
  readonly thawingCredits: bigint;
  /** Unix seconds. */
  readonly thawEnd: bigint;
}

/**
 * `3 thawing until 2030-01-01T00:00:00Z`, or `3 thawed`.
 * @param now Unix seconds
 */
export function thawingText({ thawingCredits, thawEnd }: Thawing, now: bigint): string {
  const count = creditsCount(thawingCredits);
  return thawEnd > now ? `${count} thawing until ${timeText(thawEnd)}` : `${count} thawed`;
}

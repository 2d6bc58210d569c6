/** What an operator may settle, for people. */
import { endText } from "../time_text.ts";
import type { OperatorLimits } from "./escrow_provider.ts";
import { formatUsdc } from "./usdc.ts";

/** The most that a cap can say, which bounds nothing. */
const UINT88_MAX = (1n << 88n) - 1n;

/** `until 2030-01-01T00:00:00Z, 0.002 of 0.05 USDC settled today`. */
export function operatorLimitsText({ expiry, dailyCap, spent }: OperatorLimits): string {
  const until = endText(expiry);
  // The escrow counts nothing where there is no cap.
  if (dailyCap === 0n || dailyCap === UINT88_MAX) return `${until}, unlimited a day`;
  return `${until}, ${formatUsdc(spent)} of ${formatUsdc(dailyCap)} USDC settled today`;
}

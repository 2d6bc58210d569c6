/** Amounts of USDC as text, for whoever shows them: pages and the command line. */

/** Decimals of USDC on every chain. */
export const DECIMALS = 6;

/** Base units as a decimal amount without needless zeros: 1250000n is "1.25". */
export function formatUsdc(amount: bigint): string {
  const sign = amount < 0n ? "-" : "";
  const digits = String(amount < 0n ? -amount : amount).padStart(DECIMALS + 1, "0");
  const fraction = digits.slice(-DECIMALS).replace(/0+$/, "");
  return `${sign}${digits.slice(0, -DECIMALS)}${fraction ? `.${fraction}` : ""}`;
}

/** What one call costs whoever has no credits (x402 `exact`), for pages. */
import { formatUsdc } from "../../chain/usdc.ts";
import type { Accept } from "../../payment_required.ts";
import { isExact } from "../../x402_v1.ts";

/** Nothing where it is not taken. */
export function onceFacts(accepts: readonly Accept[]): [string, string][] {
  const exact = accepts.find(isExact);
  return exact ? [["Once", `${formatUsdc(BigInt(exact.amount))} USDC, nothing locked`]] : [];
}

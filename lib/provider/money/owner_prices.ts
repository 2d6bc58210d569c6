/** What owners pay for their deployments, which may be less than what is asked of everybody. */
import type { CidText } from "../../cid.ts";

export interface OwnerPrices {
  /** What one credit costs the owner of a deployment now, USDC base units. */
  priceOf(cid: CidText): bigint;
  /** What it cost before it rose to that, and until when; null where it did not rise. */
  before(cid: CidText): { readonly price: bigint; readonly until: bigint } | null;
  /** Since when everybody else is asked the present price, Unix seconds; null: not known. */
  since(): bigint | null;
}

/** Who sells here, for how much, and through which escrow: what every payment has to name. */
import type { Address } from "viem";
import type { OldPrice } from "../../config.ts";
import type { EscrowDomain, Permit } from "../../permit.ts";

export interface Seller extends EscrowDomain {
  /** The provider's own address, which permits and specs name. */
  provider: Address;
  /** Price of one credit, USDC base units. */
  price: bigint;
  /** What it was, where permits for it are still taken. */
  oldPrice?: OldPrice | undefined;
}

/**
 * What a permit pays for one credit now, USDC base units: the price, or, for a permit that was
 * signed before it rose and as long as such are taken, what it was then.
 * @param now Unix seconds
 */
export function priceFor(
  { price, oldPrice }: Pick<Seller, "price" | "oldPrice">,
  permit: Pick<Permit, "price">,
  now: bigint,
): bigint {
  if (permit.price >= price || !oldPrice || now >= oldPrice.until) return price;
  return permit.price >= oldPrice.price ? oldPrice.price : price;
}

/** Who sells here, for how much, and through which escrow: what every payment has to name. */
import type { Address } from "viem";
import type { EscrowDomain } from "../../permit.ts";

export interface Seller extends EscrowDomain {
  /** The provider's own address, which permits and specs name. */
  provider: Address;
  /** Price of one credit now, USDC base units. */
  readonly price: bigint;
}

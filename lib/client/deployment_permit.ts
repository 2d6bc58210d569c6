/**
 * The owner's permit for a deployment. It is wide (credits and deadline at their maximum): what
 * bounds the spending is the on-chain allowance, which the owner raises and revokes, and the spec's
 * own rate limits. It ends with the owner's epoch at the provider.
 */
import type { Address, Hex, LocalAccount } from "viem";
import {
  deploymentLane,
  type EscrowDomain,
  type Permit,
  signPermit,
  UINT128_MAX,
  UINT64_MAX,
} from "../permit.ts";

export interface DeploymentPermit {
  /** The owner. */
  payer: Address;
  provider: Address;
  /** The spec's id, which the lane is made of. */
  id: Hex;
  /** Highest price of one credit, USDC base units. */
  price: bigint;
  /** The one that new permits are signed for (`signingEpoch`). */
  epoch: number;
}

/** Signs it as the owner, or as the signer that the owner's allowance pins. */
export async function signDeploymentPermit(
  account: LocalAccount,
  domain: EscrowDomain,
  { payer, provider, id, price, epoch }: DeploymentPermit,
): Promise<Permit> {
  return await signPermit(account, domain, {
    payer,
    provider,
    lane: deploymentLane(id),
    price,
    credits: UINT128_MAX,
    deadline: UINT64_MAX,
    epoch,
  });
}

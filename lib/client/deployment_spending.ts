/** What an owner's deployments have cost, and what is left to pay for them. */
import type { Chain } from "../chain/client.ts";
import { readAllowance, readConsumed } from "../chain/escrow.ts";
import { deploymentLane, signingEpoch } from "../permit.ts";
import type { OwnDeployment, OwnDeploymentProvider } from "./deployments_file.ts";

export interface Spending {
  deployment: OwnDeployment;
  provider: OwnDeploymentProvider;
  /** Credits settled on the deployment's lane; null when it is paid on another chain. */
  settled: bigint | null;
  /**
   * Credits left with this provider, for all of the owner's deployments there together; null when
   * they are on another chain.
   */
  creditsLeft: bigint | null;
  /** The most that each of them pays; null when they are on another chain, or there are none. */
  allowedPrice: bigint | null;
  /** The owner's epoch that permits are signed for there; null when it is on another chain. */
  signingEpoch: number | null;
}

/**
 * One row for each deployment and provider.
 * @throws KhachapuriError `chain_unavailable`
 */
export function readSpending(
  chain: Chain,
  deployments: readonly OwnDeployment[],
): Promise<Spending[]> {
  const rows = deployments.flatMap((deployment) =>
    deployment.providers.map((provider) => ({ deployment, provider }))
  );
  return Promise.all(rows.map((row) => spendingOf(chain, row)));
}

async function spendingOf(
  chain: Chain,
  row: Pick<Spending, "deployment" | "provider">,
): Promise<Spending> {
  const { owner, id } = row.deployment;
  const { escrow, address, chainId } = row.provider;
  if (chainId !== chain.chainId) {
    return { ...row, settled: null, creditsLeft: null, allowedPrice: null, signingEpoch: null };
  }
  const [settled, allowance] = await Promise.all([
    readConsumed(chain, escrow, owner, address, deploymentLane(id)),
    readAllowance(chain, escrow, owner, address),
  ]);
  return {
    ...row,
    settled,
    creditsLeft: allowance.credits - allowance.thawingCredits,
    allowedPrice: allowance.credits === 0n ? null : allowance.pricePerCredit,
    signingEpoch: signingEpoch(allowance),
  };
}

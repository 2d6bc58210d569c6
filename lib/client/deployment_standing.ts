/** How an owner's deployments stand: stopped or not, what they spent, what is left. */
import type { Chain } from "../chain/client.ts";
import { readAllowance, readConsumed } from "../chain/escrow.ts";
import { deploymentLane } from "../permit.ts";
import type { BookedDeployment, BookedProvider } from "./deployment_book.ts";

export interface Standing {
  deployment: BookedDeployment;
  provider: BookedProvider;
  /** Credits that the owner has paid for this deployment; null when it is paid on another chain. */
  creditsSpent: bigint | null;
  /** Credits left with this provider, for all of the owner's deployments there together. */
  creditsLeft: bigint | null;
}

/**
 * One row for each deployment and provider.
 * @throws KhachapuriError `chain_unavailable`
 */
export function readStandings(
  chain: Chain,
  deployments: readonly BookedDeployment[],
): Promise<Standing[]> {
  const rows = deployments.flatMap((deployment) =>
    deployment.providers.map((provider) => ({ deployment, provider }))
  );
  return Promise.all(rows.map((row) => readStanding(chain, row)));
}

async function readStanding(
  chain: Chain,
  row: Pick<Standing, "deployment" | "provider">,
): Promise<Standing> {
  const { owner, id } = row.deployment;
  const { escrow, address, chainId } = row.provider;
  if (chainId !== chain.chainId) return { ...row, creditsSpent: null, creditsLeft: null };
  const [creditsSpent, allowance] = await Promise.all([
    readConsumed(chain, escrow, owner, address, deploymentLane(id)),
    readAllowance(chain, escrow, owner, address),
  ]);
  return { ...row, creditsSpent, creditsLeft: allowance.credits - allowance.thawingCredits };
}

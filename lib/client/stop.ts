/** Ending a deployment at its providers, as its owner. */
import { isAddressEqual, type LocalAccount } from "viem";
import { KhachapuriError } from "../errors.ts";
import { PROVIDER_JSON_BYTES_MAX } from "../limits.ts";
import { signStop } from "../spec/stop.ts";
import type { OwnDeployment, OwnDeploymentProvider } from "./deployments_file.ts";
import { askProvider } from "./provider_http.ts";

/**
 * Tells one provider to stop a deployment, which it does for good. A repeat changes nothing.
 * @param webDomain where the provider is now
 * @throws KhachapuriError `access_denied` when `account` is not the owner; `provider_unavailable`;
 *   the provider's own refusal
 */
export async function stopAt(
  account: LocalAccount,
  deployment: OwnDeployment,
  provider: OwnDeploymentProvider,
  webDomain: string,
  options: { fetch?: typeof fetch } = {},
): Promise<void> {
  if (!isAddressEqual(account.address, deployment.owner)) {
    throw new KhachapuriError("access_denied", `${deployment.cid} belongs to ${deployment.owner}`, {
      hints: [`this account is ${account.address}; give the owner's with --keys FILE`],
    });
  }
  const { address, chainId, escrow } = provider;
  const signature = await signStop(account, {
    id: deployment.id,
    provider: address,
    chainId,
    escrow,
  });
  await askProvider({
    webDomain,
    path: "/stop",
    body: { cid: deployment.cid, signature },
    bytesMax: PROVIDER_JSON_BYTES_MAX,
    ...options,
  });
}

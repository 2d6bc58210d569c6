/** Renewing the owner's permit of a deployment at one of its providers; its URL stays. */
import { isAddressEqual, type LocalAccount } from "viem";
import type { ProviderRecord } from "../chain/ens.ts";
import type { Allowance } from "../chain/escrow.ts";
import { assertSigner } from "../chain/payment.ts";
import { formatUsdc } from "../chain/usdc.ts";
import { KhachapuriError } from "../errors.ts";
import { PROVIDER_JSON_BYTES_MAX } from "../limits.ts";
import { signingEpoch } from "../permit.ts";
import { renewalRequestToJson } from "../spec/renewal.ts";
import { isConfidential } from "../web_url.ts";
import { signDeploymentPermit } from "./deployment_permit.ts";
import type { OwnDeployment, OwnDeploymentProvider } from "./deployments_file.ts";
import { askProvider } from "./provider_http.ts";

/** Why a deployment needs another permit: its price is too low, or its epoch is taken back. */
export type PermitNeed = "price" | "epoch";

/**
 * What a deployment's permit lacks now; null when it is good, or the deployment is stopped.
 * @param now the provider's price and the epoch that permits are signed for; null where unknown
 */
export function permitNeed(
  { price, epoch, stoppedAt }: Pick<OwnDeploymentProvider, "price" | "epoch" | "stoppedAt">,
  now: { price: bigint | null; epoch: number | null },
): PermitNeed | null {
  if (stoppedAt !== undefined) return null;
  if (now.epoch !== null && epoch < now.epoch) return "epoch";
  return now.price !== null && price < now.price ? "price" : null;
}

/** A provider as its name describes it now, and what the owner allows it. */
export interface RenewalTarget {
  record: Pick<ProviderRecord, "name" | "address" | "webDomain" | "price">;
  allowance: Allowance;
}

/** The permit that was signed. */
export interface SignedTerms {
  /** Highest price of one credit, USDC base units. */
  price: bigint;
  epoch: number;
}

/**
 * Signs a permit for a deployment and gives it to the provider, by which it is paid from its next
 * call on. A repeat, or a permit for no more than the one in force, changes nothing.
 * @param cap the most that one credit may cost; null takes the provider's present price
 * @throws KhachapuriError `access_denied` when the escrow would not take this account's signature;
 *   `payment_required` when the provider charges more than `cap`; `misdirected` when the name is
 *   another provider's now; `provider_unavailable`; the provider's own refusal
 */
export async function renewAt(
  account: LocalAccount,
  { cid, id, owner }: OwnDeployment,
  provider: OwnDeploymentProvider,
  { record, allowance }: RenewalTarget,
  cap: bigint | null,
  options: { fetch?: typeof fetch } = {},
): Promise<SignedTerms> {
  assertSame(provider, record);
  assertSigner(account.address, owner, allowance);
  const price = cappedPrice(record, cap);
  const epoch = signingEpoch(allowance);
  const { chainId, escrow, address } = provider;
  const wanted = { payer: owner, provider: address, id, price, epoch };
  const permit = await signDeploymentPermit(account, { chainId, escrow }, wanted);
  const { webDomain } = record;
  await askProvider({
    webDomain,
    path: "/permit",
    body: renewalRequestToJson(cid, permit),
    bytesMax: PROVIDER_JSON_BYTES_MAX,
    ...options,
  });
  return { price, epoch };
}

/** The permit is as good as money: it goes to whom the spec names, and nobody may overhear it. */
function assertSame(
  { name, address }: OwnDeploymentProvider,
  record: RenewalTarget["record"],
): void {
  if (!isAddressEqual(address, record.address)) {
    throw new KhachapuriError("misdirected", `${name} is another provider now`, {
      hints: [`the deployment is at ${address}: deploy again to be at ${name}`],
    });
  }
  if (isConfidential(new URL(record.webDomain))) return;
  throw new KhachapuriError("access_denied", `a permit is not sent to ${record.webDomain}`, {
    hints: ["anybody on the way could read it: the provider needs https"],
  });
}

function cappedPrice({ name, price }: RenewalTarget["record"], cap: bigint | null): bigint {
  if (cap === null || price <= cap) return cap ?? price;
  const message = `${name} charges ${formatUsdc(price)} USDC a credit, your cap is ${
    formatUsdc(cap)
  }`;
  throw new KhachapuriError("payment_required", message, { data: { price: String(price) } });
}

/** Opens the scheme `exact`, where it is on and the token is one that it can be paid in. */
import { usdcDomain } from "../../chain/usdc.ts";
import { asKhachapuriError } from "../../errors.ts";
import type { ExactOffer } from "../../exact_payment.ts";
import { Exact } from "../money/exact/exact.ts";
import { ExactLooks } from "../money/exact/looks.ts";
import type { Receipts } from "../money/receipts.ts";
import type { Seller } from "../money/seller.ts";
import { openExactChain } from "../settlement/exact/exact_chain.ts";
import { ExactWorth } from "../settlement/exact/exact_worth.ts";
import { coinPriceOf } from "../settlement/gas_worth.ts";
import type { Payments } from "../settlement/payments.ts";
import type { Site } from "./site.ts";

/** Beside the run itself: a wallet's owner has to look at what it signs, and a block to come. */
const SIGNING_SECONDS = 60;

/** @returns null where nobody can pay so */
export async function openExactScheme(
  { provider, ground, log, now }: Site,
  seller: Seller,
  { operator, purchases, exact, policy }: Payments,
  receipts: Pick<Receipts, "pathOf">,
): Promise<Exact | null> {
  if (!provider.exact.enabled) return null;
  const { connected: { chain, contracts: { usdc } } } = ground;
  const domain = await usdcDomain(chain, usdc).catch((error) => asKhachapuriError(error));
  if (domain instanceof Error) {
    log.warn("x402's exact is not offered", { message: domain.shortMessage });
    return null;
  }
  const { minimum } = provider.exact;
  const terms: ExactOffer = {
    chainId: chain.chainId,
    asset: usdc,
    payTo: provider.address,
    amount: seller.price > minimum ? seller.price : minimum,
    maxTimeoutSeconds: Math.ceil(provider.sandbox.timeoutMs / 1_000) + SIGNING_SECONDS,
    name: domain.name,
    version: domain.version,
  };
  const coinPrice = coinPriceOf(chain.chainId, provider.gas.coinPrice);
  const worth = new ExactWorth(operator, coinPrice, now);
  // So that the first offer knows it.
  await worth.cost().catch(() => {});
  return new Exact({
    terms,
    isWorth: () => worth.isWorth(terms.amount),
    domain,
    chain: openExactChain({ chain, usdc, operator }),
    purchases,
    settler: exact,
    receipts,
    looks: new ExactLooks(now),
    laterNow: policy.laterNow,
  });
}

/** Opens the scheme `exact`, and what it costs: a caller for a call, and us for its settlement. */
import { estimateFees } from "../../chain/client.ts";
import { formatUsdc } from "../../chain/usdc.ts";
import type { ProviderConfig } from "../../config.ts";
import type { ExactOffer } from "../../exact_payment.ts";
import { Exact } from "../money/exact/exact.ts";
import { ExactLooks } from "../money/exact/looks.ts";
import type { Receipts } from "../money/receipts.ts";
import type { Seller } from "../money/seller.ts";
import { openExactChain } from "../settlement/exact/exact_chain.ts";
import { EXACT_GAS, EXACT_GAS_USUAL, ExactWorth } from "../settlement/exact/exact_worth.ts";
import { coinPriceOf, costOf } from "../settlement/gas_worth.ts";
import type { BookedPayments } from "./books.ts";
import type { Look } from "./findings.ts";
import type { Connected } from "./preflight_chain.ts";
import type { Site } from "./site.ts";

/** Beside the run itself: a wallet's owner has to look at what it signs, and a block to come. */
const SIGNING_SECONDS = 60;

/** What a call costs so, USDC base units. */
export function exactAmount(
  { price, exact: { minimum } }: Pick<ProviderConfig, "price" | "exact">,
): bigint {
  return price > minimum ? price : minimum;
}

/**
 * What settling one costs now.
 * @throws KhachapuriError `chain_unavailable`
 */
export async function checkExact(
  { chain }: Pick<Connected, "chain">,
  provider: ProviderConfig,
): Promise<Look> {
  const { exact: { enabled }, gas } = provider;
  if (!enabled) return { detail: "x402's exact is off: callers pay by credits alone" };
  const coinPrice = coinPriceOf(chain.chainId, gas.coinPrice);
  const { maxFeePerGas, maxPriorityFeePerGas } = await estimateFees(chain);
  const gasPrice = maxFeePerGas > maxPriorityFeePerGas ? maxFeePerGas : maxPriorityFeePerGas;
  const cost = costOf(EXACT_GAS, gasPrice, coinPrice);
  return exactLook({ amount: exactAmount(provider), cost, isFree: coinPrice === 0n });
}

/**
 * What a call costs so and what settling it does, USDC base units.
 * @param isFree where the chain's coin is worth nothing
 */
export function exactLook(
  { amount, cost, isFree }: { amount: bigint; cost: bigint; isFree: boolean },
): Look {
  const gas = `settling one takes some ${EXACT_GAS_USUAL.toLocaleString("en-US")} gas`;
  const worth = isFree
    ? "which counts as nothing on a test chain (provider.gas.coinPrice)"
    : `up to ${formatUsdc(cost)} USDC now`;
  const detail = `x402: a call costs ${formatUsdc(amount)} USDC; ${gas}, ${worth}`;
  if (cost < amount) return { detail };
  // So much above that it still is when gas costs a little more.
  const minimum = cost + cost / 4n + 1n;
  return {
    detail,
    hints: [
      "it is not offered while that is so: it would cost you more than it brings",
      `in config.json: "provider": { "exact": { "minimum": "${minimum}" } } (USDC base units), ` +
      `for ${formatUsdc(minimum)} USDC a call`,
    ],
  };
}

/** @returns null where nobody can pay so */
export async function openExactScheme(
  { provider, ground, succession, now }: Site,
  { operator, purchases, settler, policy }: BookedPayments,
  receipts: Pick<Receipts, "pathOf">,
  seller: Pick<Seller, "price">,
): Promise<Exact | null> {
  const { exact } = provider;
  if (!exact.enabled) return null;
  const { connected: { chain, contracts: { usdc }, domain } } = ground;
  const terms: ExactOffer = {
    chainId: chain.chainId,
    asset: usdc,
    payTo: provider.address,
    get amount() {
      return exactAmount({ price: seller.price, exact });
    },
    maxTimeoutSeconds: Math.ceil(provider.sandbox.timeoutMs / 1_000) + SIGNING_SECONDS,
    name: domain.name,
    version: domain.version,
  };
  const coinPrice = coinPriceOf(chain.chainId, provider.gas.coinPrice);
  const worth = new ExactWorth(operator, coinPrice, now);
  // So that the first offer knows it, unless there are callers that wait.
  const known = worth.cost().catch(() => {});
  if (!succession) await known;
  return new Exact({
    terms,
    isWorth: () => worth.isWorth(terms.amount),
    domain,
    chain: openExactChain({ chain, usdc, operator, coinPrice }),
    purchases,
    settler,
    receipts,
    looks: new ExactLooks(now),
    laterNow: policy.laterNow,
  });
}

/** What to run where a call is not paid: asked of the chain, as far as it answers. */
import type { Address } from "viem";
import { readAllowance } from "../chain/escrow.ts";
import { fetchDepositMinimum } from "../client/deposit_minimum.ts";
import { KhachapuriError } from "../errors.ts";
import type { CreditsOffer } from "../payment_header.ts";
import type { CommandContext } from "./command.ts";
import { fundingSteps, readMeans, type Wanted } from "./funding.ts";

/** How many credits are advised where nobody said how many. */
export const CREDITS_ADVISED = 100n;

/**
 * The error for a call that nobody paid, with the commands that pay for the next.
 * @param isTried whether a permit went along
 */
export async function unpaidError(
  context: CommandContext,
  name: string,
  offer: CreditsOffer | undefined,
  isTried: boolean,
): Promise<KhachapuriError> {
  const hints = await unpaidHints(context, name, offer, isTried).catch((error) => {
    if (!(error instanceof KhachapuriError)) throw error;
    return [`khachapuri allow ${name} --credits N, then call again with --pay`];
  });
  return new KhachapuriError("payment_required", "the call was not paid", { hints });
}

async function unpaidHints(
  context: CommandContext,
  name: string,
  offer: CreditsOffer | undefined,
  isTried: boolean,
): Promise<string[]> {
  const keys = await context.keyFile().catch((error) => {
    if (error instanceof KhachapuriError && error.code === "not_found") return null;
    throw error;
  });
  if (!keys?.account) return ["khachapuri init makes an account to pay with"];
  const { address } = await context.account();
  if (!offer) return [`khachapuri allow ${name} --credits N, then call again with --pay`];
  const { payTo, pricePerCredit: price, depositMinimum = null } = offer;
  const [chain, { escrow }] = await Promise.all([context.chain(), context.contracts()]);
  const held = await readAllowance(chain, escrow, address, payTo);
  const isCovered = held.credits > held.thawingCredits && held.pricePerCredit >= price;
  if (isCovered) return isTried ? [] : ["call again with --pay"];
  const wanted = { name, price, credits: CREDITS_ADVISED, depositMinimum };
  const steps = fundingSteps(await readMeans(context, address), wanted);
  return [...steps, "then call again with --pay"];
}

/** The commands that give an account credits at a provider, as far as chain and provider answer. */
export async function fundingAdvice(
  context: CommandContext,
  account: Address,
  { webDomain, ...wanted }: Omit<Wanted, "depositMinimum"> & { readonly webDomain: string },
): Promise<string[]> {
  try {
    const [means, depositMinimum] = await Promise.all([
      readMeans(context, account),
      fetchDepositMinimum(webDomain),
    ]);
    return fundingSteps(means, { ...wanted, depositMinimum });
  } catch (error) {
    if (!(error instanceof KhachapuriError)) throw error;
    return [`khachapuri allow ${wanted.name} --credits ${wanted.credits}`];
  }
}

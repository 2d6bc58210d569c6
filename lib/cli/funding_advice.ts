/** What to run where a call is not paid: asked of the chain, as far as it answers. */
import type { Address } from "viem";
import { readAllowance } from "../chain/escrow.ts";
import { fetchDepositMinimum } from "../client/deposit_minimum.ts";
import { KhachapuriError } from "../errors.ts";
import type { CreditsOffer } from "../payment_header.ts";
import { thawText } from "./allowance_advice.ts";
import type { CommandContext } from "./command.ts";
import { fundingSteps, type Held, readMeans, type Wanted } from "./funding.ts";

const CREDITS_ADVISED = 100n;

/** How many credits are advised to who has to pay for so many, and said no more. */
export function creditsAdvised(needed: bigint): bigint {
  return needed > CREDITS_ADVISED ? needed : CREDITS_ADVISED;
}

/** What a call that was not paid wanted. */
export interface Asked {
  /** How many the run could take. */
  credits: bigint;
  /** Whether a permit went along. */
  isTried: boolean;
}

/** The error for a call that nobody paid, with the commands that pay for the next. */
export async function unpaidError(
  context: CommandContext,
  name: string,
  offer: CreditsOffer | undefined,
  asked: Asked,
): Promise<KhachapuriError> {
  const hints = await unpaidHints(context, name, offer, asked).catch((error) => {
    if (!(error instanceof KhachapuriError)) throw error;
    return [`khachapuri allow ${name} --credits N, then call again with --pay`];
  });
  return new KhachapuriError("payment_required", "the call was not paid", { hints });
}

async function unpaidHints(
  context: CommandContext,
  name: string,
  offer: CreditsOffer | undefined,
  { credits: asked, isTried }: Asked,
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
  const wanted = { name, price, credits: creditsAdvised(asked), depositMinimum, held };
  const steps = fundingSteps(await readMeans(context, address), wanted);
  return [...heldLines(address, name, held), ...steps, "then call again with --pay"];
}

/** Why there is nothing to pay with: who has nothing left, and what of it thaws. */
function heldLines(address: Address, name: string, held: Held): string[] {
  if (held.credits > held.thawingCredits) return [];
  const thaws = thawText(held, BigInt(Math.floor(Date.now() / 1000)));
  return thaws === null
    ? [`${address} has no credits left with ${name}`]
    : [`what ${address} allowed ${name} was revoked: ${thaws}`, "to allow it again:"];
}

/** The commands that give an account credits at a provider, as far as chain and provider answer. */
export async function fundingAdvice(
  context: CommandContext,
  account: Address,
  { webDomain, address: provider, ...wanted }: Omit<Wanted, "depositMinimum" | "held"> & {
    readonly webDomain: string;
    readonly address: Address;
  },
): Promise<string[]> {
  try {
    const [chain, { escrow }] = await Promise.all([context.chain(), context.contracts()]);
    const [means, depositMinimum, held] = await Promise.all([
      readMeans(context, account),
      fetchDepositMinimum(webDomain),
      readAllowance(chain, escrow, account, provider),
    ]);
    return fundingSteps(means, { ...wanted, depositMinimum, held });
  } catch (error) {
    if (!(error instanceof KhachapuriError)) throw error;
    return [`khachapuri allow ${wanted.name} --credits ${wanted.credits}`];
  }
}

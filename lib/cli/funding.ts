/** Which commands bring an account to credits at a provider, and back, by what it holds. */
import type { Address } from "viem";
import { asChainError } from "../chain/refusal.ts";
import type { Chain } from "../chain/client.ts";
import { type Allowance, readBalance } from "../chain/escrow.ts";
import { formatUsdc, readUsdcBalance } from "../chain/usdc.ts";
import { KhachapuriError } from "../errors.ts";
import type { CommandContext } from "./command.ts";

/** What an account can pay with. */
export interface Means {
  readonly address: Address;
  /** The chain's coin, for gas, wei. */
  readonly coin: bigint;
  /** USDC base units in the wallet, and free in the escrow. */
  readonly wallet: bigint;
  readonly free: bigint;
}

/** What stands at a provider. */
export type Held = Pick<Allowance, "credits" | "pricePerCredit" | "thawingCredits" | "thawEnd">;

/** The credits that are wanted. */
export interface Wanted {
  /** The provider's. */
  readonly name: string;
  /** Of one credit, USDC base units. */
  readonly price: bigint;
  readonly credits: bigint;
  /** The least that the provider relays, USDC base units; null where it relays nothing. */
  readonly depositMinimum: bigint | null;
  /** What it may charge the account as it is. */
  readonly held: Held;
}

/** The commands, one a line; without ETH only those that a provider sends. */
export function fundingSteps(means: Means, { held, ...asked }: Wanted): string[] {
  const { address, coin, wallet, free } = means;
  const { name, depositMinimum } = asked;
  // While something is allowed, neither its credits nor its price can be lowered.
  const credits = larger(asked.credits, held.credits);
  const price = held.credits > 0n ? larger(asked.price, held.pricePerCredit) : asked.price;
  const cost = price * credits - held.pricePerCredit * held.credits;
  const atPrice = price > asked.price ? ` --price ${formatUsdc(price)}` : "";
  if (coin > 0n) {
    const lacking = cost - free;
    if (lacking > wallet) return [`${address} needs ${formatUsdc(lacking)} USDC in its wallet`];
    return [
      ...(lacking > 0n ? [`khachapuri deposit ${formatUsdc(lacking)}`] : []),
      `khachapuri allow ${name} --credits ${credits}${atPrice}`,
    ];
  }
  if (depositMinimum === null) {
    const lacking = cost - free - wallet;
    const usdc = lacking > 0n ? `, and ${formatUsdc(lacking)} USDC` : "";
    return [`${address} has no ETH for gas, and ${name} relays no deposits: send it some${usdc}`];
  }
  const amount = cost > depositMinimum ? cost : depositMinimum;
  const count = held.credits > 0n ? ` --credits ${credits + (amount - cost) / price}` : "";
  const onboard = `khachapuri onboard ${name} --amount ${formatUsdc(amount)}${count}`;
  if (wallet >= amount) return [`without ETH: ${onboard}`];
  if (wallet + free > amount) {
    return [`without ETH: khachapuri withdraw all --relay ${name}`, `then: ${onboard}`];
  }
  return [
    `send ${address} ${formatUsdc(amount - wallet)} USDC; it needs no ETH`,
    `then: ${onboard}`,
  ];
}

/** What brings an account nearer to credits where no provider is named yet. */
export function firstSteps({ address, coin, wallet, free }: Means): string[] {
  if (coin > 0n) {
    if (free > 0n) return ["khachapuri allow NAME --credits N"];
    if (wallet > 0n) return ["khachapuri deposit USDC", "khachapuri allow NAME --credits N"];
    return [`send ${address} USDC on this chain, then: khachapuri deposit USDC`];
  }
  const onboard = "khachapuri onboard NAME --amount USDC";
  if (wallet > 0n) return [`without ETH, where NAME relays deposits: ${onboard}`];
  if (free > 0n) {
    return ["without ETH: khachapuri withdraw all --relay NAME", `then: ${onboard}`];
  }
  return [`send ${address} USDC on this chain; it needs no ETH where NAME relays: ${onboard}`];
}

const larger = (one: bigint, other: bigint) => one > other ? one : other;

/** What the escrow, or a node, refuses for want of money: its own, or the coin for gas. */
const WANTING: readonly unknown[] = ["InsufficientFunds", "InsufficientBalance"];

/** Whether a transaction was refused for want of money. */
export function isWanting(reason: unknown): boolean {
  return WANTING.includes(reason);
}

/**
 * Waits for a transaction; one that is refused for want of money is refused with these hints.
 * @throws KhachapuriError as `sent` does
 */
export async function withFundingHints<T>(
  sent: Promise<T>,
  hints: (reason: unknown) => Promise<readonly string[]>,
): Promise<T> {
  return await withHints(sent, async (why) => isWanting(why) ? await hints(why) : []);
}

/**
 * Waits for a transaction; one that is refused is refused with hints on the reason.
 * @throws KhachapuriError as `sent` does
 */
export async function withHints<T>(
  sent: Promise<T>,
  hints: (reason: unknown) => Promise<readonly string[]>,
): Promise<T> {
  try {
    return await sent;
  } catch (error) {
    if (!(error instanceof KhachapuriError) || error.data.reason === undefined) throw error;
    throw error.toldWith({ hints: [...error.hints, ...await hints(error.data.reason)] });
  }
}

/** How what is not used comes back to who has no ETH. */
export function wayBackLines(name: string): string[] {
  return [
    "what you don't use comes back without ETH, for a relayer's fee:",
    `  khachapuri revoke ${name} --relay ${name}`,
    `  khachapuri reclaim ${name} --relay ${name}    when it has thawed`,
    `  khachapuri withdraw all --relay ${name}`,
  ];
}

/** @throws KhachapuriError `chain_unavailable` */
export async function readMeans(context: CommandContext, address: Address): Promise<Means> {
  const [chain, { escrow, usdc }] = await Promise.all([context.chain(), context.contracts()]);
  const [coin, wallet, free] = await Promise.all([
    readCoin(chain, address),
    readUsdcBalance(chain, usdc, address),
    readBalance(chain, escrow, address),
  ]);
  return { address, coin, wallet, free };
}

async function readCoin(chain: Chain, address: Address): Promise<bigint> {
  try {
    return await chain.public.getBalance({ address });
  } catch (error) {
    throw asChainError(error, chain.endpoint);
  }
}

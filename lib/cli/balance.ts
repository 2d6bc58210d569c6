/** `balance` and `allowance`: where a payer's money is. */
import { type Address, formatEther, isAddressEqual, zeroAddress } from "viem";
import { asChainError } from "../chain/refusal.ts";
import type { Chain } from "../chain/client.ts";
import {
  type Allowance,
  readAllowance,
  readAllowedProviders,
  readBalance,
} from "../chain/escrow.ts";
import { formatUsdc, readUsdcBalance } from "../chain/usdc.ts";
import { timeText } from "../time_text.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { addressOf, creditsText, providerParty } from "./parties.ts";

const OF = {
  type: "string",
  value: "ADDRESS",
  description: "whose (default: yours); needs no key",
} as const;

async function addressInQuestion(context: CommandContext, of: string | undefined) {
  return of === undefined ? (await context.account()).address : addressOf(of, "--of");
}

/** USDC locked for a provider, base units. */
function lockedOf({ credits, pricePerCredit }: Allowance): bigint {
  return credits * pricePerCredit;
}

interface Locked {
  provider: Address;
  locked: bigint;
  allowance: Allowance;
}

export const balance = defineCommand({
  usage: "[NAME...] [--of ADDRESS]",
  details: [
    "Your wallet, your free balance in the escrow, and what is locked for each provider. " +
    "Providers are found by the escrow's events; where the RPC does not search far enough back, " +
    "name them.",
  ],
  examples: ["balance", "balance paolo.eth --json", "balance --of 0x7099…79C8"],
  options: { of: OF },
  positionals: { min: 0, max: 16 },
  async run(context, { positionals, options }) {
    const { out } = context;
    const address = await addressInQuestion(context, options.of);
    const [chain, { escrow, usdc }] = await Promise.all([context.chain(), context.contracts()]);
    const named = await Promise.all(positionals.map((name) => providerParty(context, name)));
    const found = positionals.length > 0
      ? null
      : await readAllowedProviders(chain, escrow, address);
    const providers = found ?? named.map((party) => party.address);
    const [wallet, coin, free, locked] = await Promise.all([
      readUsdcBalance(chain, usdc, address),
      readCoin(chain, address),
      readBalance(chain, escrow, address),
      readLocked(chain, escrow, address, providers),
    ]);
    const isComplete = found !== null;
    const rows = locked.map(({ provider, locked, allowance: { credits, pricePerCredit } }) => ({
      provider,
      locked,
      credits,
      pricePerCredit,
    }));
    out.result({ address, wallet, coin, free, providers: rows, isComplete }, [
      `address  ${address}`,
      `wallet   ${formatUsdc(wallet)} USDC, ${formatEther(coin)} of the chain's coin`,
      `free     ${formatUsdc(free)} USDC`,
      ...locked.map(({ provider, locked, allowance: { credits } }) =>
        `locked   ${formatUsdc(locked)} USDC, ${creditsText(credits)} for ${provider}`
      ),
    ]);
    if (!isComplete && positionals.length === 0) {
      out.note("this RPC does not search all events: name the providers, balance NAME...");
    }
  },
});

async function readCoin(chain: Chain, address: Address): Promise<bigint> {
  try {
    return await chain.public.getBalance({ address });
  } catch (error) {
    throw asChainError(error, chain.endpoint);
  }
}

async function readLocked(
  chain: Chain,
  escrow: Address,
  payer: Address,
  providers: readonly Address[],
): Promise<Locked[]> {
  const allowances = await Promise.all(
    providers.map((provider) => readAllowance(chain, escrow, payer, provider)),
  );
  return allowances
    .map((allowance, i) => ({ provider: providers[i]!, locked: lockedOf(allowance), allowance }))
    .filter(({ allowance }) => allowance.credits > 0n);
}

export const allowance = defineCommand({
  usage: "NAME [--of ADDRESS]",
  details: ["What a provider may still charge you, and what of it is on its way back to you."],
  examples: ["allowance paolo.eth", "allowance paolo.eth --json"],
  options: { of: OF },
  positionals: { min: 1, max: 1 },
  async run(context, { positionals, options }) {
    const { out } = context;
    const party = await providerParty(context, positionals[0]!);
    const { chain, contracts: { escrow }, address: provider, name } = party;
    const payer = await addressInQuestion(context, options.of);
    const state = await readAllowance(chain, escrow, payer, provider);
    const locked = lockedOf(state);
    const lines = state.credits === 0n
      ? [`${name} may charge ${payer} nothing`]
      : allowanceLines(name, provider, state);
    out.result({ payer, provider, ...state, locked }, lines);
  },
});

function allowanceLines(name: string, provider: Address, state: Allowance): string[] {
  const { credits, pricePerCredit, thawingCredits, thawEnd, signer, epoch, epochEnd } = state;
  return [
    `provider  ${name}${name === provider ? "" : ` (${provider})`}`,
    `credits   ${credits} at ${formatUsdc(pricePerCredit)} USDC each`,
    `locked    ${formatUsdc(lockedOf(state))} USDC`,
    ...(thawingCredits > 0n
      ? [`thawing   ${creditsText(thawingCredits)} until ${timeText(thawEnd)}`]
      : []),
    ...(epochEnd > 0n
      ? [`permits   of epoch ${epoch} are void from ${timeText(epochEnd)} on`]
      : []),
    ...(isAddressEqual(signer, zeroAddress) ? [] : [`signer    ${signer}`]),
  ];
}

/** `balance` and `allowance`: where a payer's money is. */
import { type Address, formatEther, isAddressEqual, zeroAddress } from "viem";
import { blockTime, type Chain } from "../chain/client.ts";
import { type Allowance, readAllowance, readAllowedProviders } from "../chain/escrow.ts";
import { formatUsdc } from "../chain/usdc.ts";
import { readDeployments } from "../client/deployments_file.ts";
import { creditsCount, creditsText } from "../credits_text.ts";
import { timeText } from "../time_text.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { readMeans } from "./funding.ts";
import { addressOf, type Party, providerParty } from "./parties.ts";

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

interface Row extends Locked {
  /** null where only the address is known. */
  name: string | null;
}

export const balance = defineCommand({
  usage: "[NAME...] [--of ADDRESS]",
  details: [
    "Your wallet, your free balance in the escrow, which you can withdraw at once, and what is " +
    "locked for each provider: how much of it thaws, until when, and what can be reclaimed. " +
    "Providers are found by the escrow's events; where the RPC does not search far enough back, " +
    "name them.",
  ],
  examples: ["balance", "balance paolo.eth --json", "balance --of 0x7099…79C8"],
  options: { of: OF },
  positionals: { min: 0, max: 16 },
  async run(context, { positionals, options }) {
    const { out } = context;
    const address = await addressInQuestion(context, options.of);
    const [chain, { escrow }] = await Promise.all([context.chain(), context.contracts()]);
    const named = await Promise.all(positionals.map((name) => providerParty(context, name)));
    const found = positionals.length > 0
      ? null
      : await readAllowedProviders(chain, escrow, address);
    const providers = found ?? named.map((party) => party.address);
    const [{ wallet, coin, free }, locked, now, names] = await Promise.all([
      readMeans(context, address),
      readLocked(chain, escrow, address, providers),
      blockTime(chain),
      namesKnown(context, named),
    ]);
    const isComplete = found !== null;
    const rows = locked.map((row) => ({ ...row, name: names.get(row.provider) ?? null }));
    out.result({ address, wallet, coin, free, providers: rows.map(rowJson(now)), isComplete }, [
      `address  ${address}`,
      `wallet   ${formatUsdc(wallet)} USDC, ${formatEther(coin)} of the chain's coin`,
      `free     ${formatUsdc(free)} USDC${free > 0n ? ": khachapuri withdraw all" : ""}`,
      ...rows.flatMap((row) => rowLines(row, now)),
    ]);
    if (!isComplete && positionals.length === 0) {
      out.note("this RPC does not search all events: name the providers, balance NAME...");
    }
  },
});

/** Names of providers by their address: those that were given, and those of deployments. */
async function namesKnown(
  { home }: CommandContext,
  named: readonly Pick<Party, "address" | "name">[],
): Promise<ReadonlyMap<Address, string>> {
  const deployed = (await readDeployments(home)).flatMap(({ providers }) => providers);
  return new Map([...deployed, ...named].map(({ address, name }) => [address, name]));
}

function rowJson(now: bigint) {
  return ({ provider, name, locked, allowance }: Row) => {
    const { credits, pricePerCredit, thawingCredits, thawEnd } = allowance;
    const thawing = thawingCredits === 0n
      ? null
      : { credits: thawingCredits, amount: thawingCredits * pricePerCredit, until: thawEnd };
    const isReclaimable = thawing !== null && thawEnd <= now;
    return { provider, name, locked, credits, pricePerCredit, thawing, isReclaimable };
  };
}

function rowLines({ provider, name, locked, allowance }: Row, now: bigint): string[] {
  const whom = name === null || name === provider ? provider : `${name} (${provider})`;
  return [
    `locked   ${formatUsdc(locked)} USDC, ${creditsText(allowance.credits)} for ${whom}`,
    ...thawingLines(allowance, name ?? provider, now).map((line) => `  of it  ${line}`),
  ];
}

/** What of an allowance is on its way back, until when, and how it comes. */
function thawingLines(
  { thawingCredits, thawEnd, pricePerCredit }: Allowance,
  name: string,
  now: bigint,
): string[] {
  if (thawingCredits === 0n) return [];
  const amount = `${formatUsdc(thawingCredits * pricePerCredit)} USDC`;
  const what = `${amount}, ${creditsText(thawingCredits)}`;
  if (thawEnd <= now) return [`${what} thawed: khachapuri reclaim ${name}`];
  return [`${what} thaw until ${timeText(thawEnd)}, then: khachapuri reclaim ${name}`];
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
    const [state, now] = await Promise.all([
      readAllowance(chain, escrow, payer, provider),
      blockTime(chain),
    ]);
    const locked = lockedOf(state);
    const lines = state.credits === 0n
      ? [`${name} may charge ${payer} nothing`]
      : allowanceLines(name, provider, state, now);
    out.result({ payer, provider, ...state, locked }, lines);
  },
});

function allowanceLines(
  name: string,
  provider: Address,
  state: Allowance,
  now: bigint,
): string[] {
  const { credits, pricePerCredit, signer, epoch, epochEnd } = state;
  return [
    `provider  ${name}${name === provider ? "" : ` (${provider})`}`,
    `credits   ${creditsCount(credits)} at ${formatUsdc(pricePerCredit)} USDC each`,
    `locked    ${formatUsdc(lockedOf(state))} USDC`,
    ...thawingLines(state, name, now).map((line) => `thawing   ${line}`),
    ...(epochEnd > 0n
      ? [`permits   of epoch ${epoch} are void from ${timeText(epochEnd)} on`]
      : []),
    ...(isAddressEqual(signer, zeroAddress) ? [] : [`signer    ${signer}`]),
  ];
}

/** `balance` and `allowance`: where a payer's money is. */
import { type Address, formatEther, isAddressEqual, zeroAddress } from "viem";
import { blockTime, type Chain } from "../chain/client.ts";
import type { ProviderRecord } from "../chain/ens.ts";
import { type Allowance, readAllowance, readAllowedProviders } from "../chain/escrow.ts";
import { earned } from "../chain/escrow_provider.ts";
import { formatUsdc } from "../chain/usdc.ts";
import { readDeployments } from "../client/deployments_file.ts";
import { creditsCount, creditsText } from "../credits_text.ts";
import { KhachapuriError } from "../errors.ts";
import { timeText } from "../time_text.ts";
import { isPaying, leftOf, lockedOf, thawingLines, unsettledLines } from "./allowance_lines.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { firstSteps, type Means, readMeans } from "./funding.ts";
import { creditsAdvised, fundingAdvice } from "./funding_advice.ts";
import { addressOf, type Party, providerAddress, providerParty } from "./parties.ts";
import { presentRecord } from "./present_provider.ts";
import { readUnsettled } from "./unsettled.ts";

const OF = {
  type: "string",
  value: "ADDRESS",
  description: "whose (default: yours); needs no key",
} as const;

async function addressInQuestion(context: CommandContext, of: string | undefined) {
  return of === undefined ? (await context.account()).address : addressOf(of, "--of");
}

interface Locked {
  provider: Address;
  allowance: Allowance;
}

interface Row extends Locked {
  /** null where only the address is known. */
  name: string | null;
  /** What the name says of the provider; null where that is not known, or is asked for another. */
  record: ProviderRecord | null;
  /** Credits; null where it is not known, or is somebody else's. */
  unsettled: bigint | null;
}

/** What a provider has settled and not collected. */
interface Earnings {
  provider: Address;
  /** USDC base units. */
  uncollected: bigint;
}

export const balance = defineCommand({
  usage: "[NAME...] [--of ADDRESS]",
  details: [
    "Your wallet, your free balance in the escrow, which you can withdraw at once, and what is " +
    "allowed each provider: credits, their price and worth, what is thawing until when, and what " +
    "calls took that is unsettled, as the provider says. Where nothing is left to call with: the " +
    "command that helps. What a provider has earned and not collected is told, too.",
    "Providers are found by the escrow's events; where the RPC does not search far enough back, " +
    "name them.",
  ],
  examples: ["balance", "balance paolo.eth --json", "balance --of 0x7099…79C8"],
  options: { of: OF },
  positionals: { min: 0, max: 16 },
  async run(context, { positionals, options }) {
    const { out } = context;
    const address = await addressInQuestion(context, options.of);
    const isOwn = options.of === undefined;
    const [chain, { escrow }] = await Promise.all([context.chain(), context.contracts()]);
    const named = await Promise.all(positionals.map((name) => providerParty(context, name)));
    const found = positionals.length > 0
      ? null
      : await readAllowedProviders(chain, escrow, address);
    const providers = found ?? named.map((party) => party.address);
    const [means, locked, now, names, earnings] = await Promise.all([
      readMeans(context, address),
      readLocked(chain, escrow, address, providers),
      blockTime(chain),
      namesKnown(context, named),
      readEarnings(context, options.of === undefined ? null : address),
    ]);
    const isComplete = found !== null;
    const rows = await Promise.all(locked.map(async (row): Promise<Row> => {
      const name = names.get(row.provider) ?? null;
      const record = isOwn ? await recordAt(context, row.provider, name) : null;
      return { ...row, name, record, unsettled: record && await readUnsettled(context, record) };
    }));
    const isProviders = earnings.uncollected > 0n || await isProvidersHome(context);
    const helps = isOwn ? await whatHelps(context, means, rows, { named, isProviders }) : [];
    const { wallet, coin, free } = means;
    const json = { address, wallet, coin, free, providers: rows.map(rowJson(now)), earnings };
    out.result({ ...json, isComplete }, [
      `address  ${address}`,
      `wallet   ${formatUsdc(wallet)} USDC, ${formatEther(coin)} of the chain's coin`,
      `free     ${formatUsdc(free)} USDC${free > 0n ? ": khachapuri withdraw all" : ""}`,
      ...rows.flatMap((row) => rowLines(row, now)),
      ...earningsLines(earnings, address),
      ...helps.map((step, i) => `${i === 0 ? "next   " : "       "}  ${step}`),
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

/** Null where no name leads to the provider. */
async function recordAt(
  context: CommandContext,
  provider: Address,
  name: string | null,
): Promise<ProviderRecord | null> {
  if (name === null || name === provider) return null;
  const record = await presentRecord(context, name).catch((error) => {
    if (!(error instanceof KhachapuriError)) throw error;
    return null;
  });
  return record?.address === provider ? record : null;
}

/** Its account sends what settles: it pays for no calls, unless it is used for that, too. */
async function isProvidersHome(context: CommandContext): Promise<boolean> {
  return (await context.config()).provider !== undefined;
}

/** Of an address that was given, else of this machine's provider, or whose key this is. */
async function readEarnings(context: CommandContext, of: Address | null): Promise<Earnings> {
  const [chain, { escrow }] = await Promise.all([context.chain(), context.contracts()]);
  const provider = of ?? await providerAddress(context);
  return { provider, uncollected: await earned(chain, escrow, provider) };
}

function earningsLines({ provider, uncollected }: Earnings, address: Address): string[] {
  if (uncollected === 0n) return [];
  const whose = provider === address ? "" : `, with the key of ${provider}`;
  return [`earned   ${formatUsdc(uncollected)} USDC, not collected: khachapuri collect${whose}`];
}

/** Where nothing is left to call with: the commands that help, by what the account holds. */
async function whatHelps(
  context: CommandContext,
  means: Means,
  rows: readonly Row[],
  { named, isProviders }: { named: readonly Party[]; isProviders: boolean },
): Promise<string[]> {
  const pays = ({ allowance, unsettled, record }: Row) =>
    isPaying(allowance, unsettled, record?.price ?? null);
  if (rows.some(pays)) return [];
  const record = [...named, ...rows].find(({ record }) => record !== null)?.record;
  if (!record) {
    // What is locked and thaws says itself how it comes back.
    const isPayer = rows.length === 0 && (means.free > 0n || !isProviders);
    return isPayer ? firstSteps(means) : [];
  }
  const row = rows.find(({ provider }) => provider === record.address);
  return await advice(context, means.address, record, row?.unsettled ?? null);
}

async function advice(
  context: CommandContext,
  payer: Address,
  record: ProviderRecord,
  unsettled: bigint | null,
): Promise<string[]> {
  // What is unsettled stays among what is allowed until it is settled.
  const credits = creditsAdvised(0n) + (unsettled ?? 0n);
  return await fundingAdvice(context, payer, { ...record, credits });
}

function rowJson(now: bigint) {
  return ({ provider, name, allowance, unsettled }: Row) => {
    const { credits, pricePerCredit, thawingCredits, thawEnd } = allowance;
    const thawing = thawingCredits === 0n
      ? null
      : { credits: thawingCredits, amount: thawingCredits * pricePerCredit, until: thawEnd };
    const isReclaimable = thawing !== null && thawEnd <= now;
    const locked = lockedOf(allowance);
    return { provider, name, locked, credits, pricePerCredit, unsettled, thawing, isReclaimable };
  };
}

function rowLines({ provider, name, allowance, unsettled }: Row, now: bigint): string[] {
  const whom = name === null || name === provider ? provider : `${name} (${provider})`;
  const price = `${formatUsdc(allowance.pricePerCredit)} USDC each`;
  return [
    `locked   ${formatUsdc(lockedOf(allowance))} USDC, ${creditsText(allowance.credits)} at ` +
    `${price} for ${whom}`,
    ...[
      ...unsettledLines(unsettled, allowance),
      ...thawingLines(allowance, name ?? provider, now),
    ].map((line) => `  of it  ${line}`),
  ];
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
    .map((allowance, i) => ({ provider: providers[i]!, allowance }))
    .filter(({ allowance }) => allowance.credits > 0n);
}

export const allowance = defineCommand({
  usage: "NAME [--of ADDRESS]",
  details: [
    "What a provider may still charge you, what of it is on its way back to you, and what calls " +
    "took that is unsettled, as the provider says. Where nothing is left: the command that helps.",
  ],
  examples: ["allowance paolo.eth", "allowance paolo.eth --json"],
  options: { of: OF },
  positionals: { min: 1, max: 1 },
  async run(context, { positionals, options }) {
    const { out } = context;
    const party = await providerParty(context, positionals[0]!);
    const { chain, contracts: { escrow }, address: provider, name, record } = party;
    const payer = await addressInQuestion(context, options.of);
    const isOwn = options.of === undefined;
    const [state, now] = await Promise.all([
      readAllowance(chain, escrow, payer, provider),
      blockTime(chain),
    ]);
    const asked = isOwn && record !== null && state.credits > 0n ? record : null;
    const unsettled = asked && await readUnsettled(context, asked);
    const left = leftOf(state, unsettled);
    const pays = isPaying(state, unsettled, record?.price ?? null);
    const helps = isOwn && record && !pays ? await advice(context, payer, record, unsettled) : [];
    const lines = state.credits === 0n
      ? [`${name} may charge ${payer} nothing`]
      : allowanceLines(party, state, unsettled, now);
    out.result({ payer, provider, ...state, locked: lockedOf(state), unsettled, left }, [
      ...lines,
      ...helps.map((step, i) => `${i === 0 ? "next    " : "        "}  ${step}`),
    ]);
  },
});

function allowanceLines(
  { name, address: provider, record }: Party,
  state: Allowance,
  unsettled: bigint | null,
  now: bigint,
): string[] {
  const { credits, pricePerCredit, signer, epoch, epochEnd } = state;
  const isDearer = record !== null && record.price > pricePerCredit;
  return [
    `provider  ${name}${name === provider ? "" : ` (${provider})`}`,
    `credits   ${creditsCount(credits)} at ${formatUsdc(pricePerCredit)} USDC each`,
    ...(isDearer ? [`price     ${formatUsdc(record.price)} USDC now: it is not paid`] : []),
    `locked    ${formatUsdc(lockedOf(state))} USDC`,
    ...unsettledLines(unsettled, state).map((line) => `of it     ${line}`),
    ...thawingLines(state, name, now).map((line) => `of it     ${line}`),
    ...(epochEnd > 0n
      ? [`permits   of epoch ${epoch} are void from ${timeText(epochEnd)} on`]
      : []),
    ...(isAddressEqual(signer, zeroAddress) ? [] : [`signer    ${signer}`]),
  ];
}

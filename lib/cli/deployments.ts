/** `deployments`, `stop` and `inspect`: what becomes of a deployment after `deploy`. */
import { type ProviderRecord, resolveProvider } from "../chain/ens.ts";
import { formatUsdc } from "../chain/usdc.ts";
import { formatCid, parseCid } from "../cid.ts";
import {
  noteStopped,
  type OwnDeployment,
  readDeployments,
  requireDeployment,
  requireDeploymentAt,
} from "../client/deployments_file.ts";
import { readSpending, type Spending } from "../client/deployment_spending.ts";
import { type PermitNeed, permitNeed } from "../client/renewal.ts";
import { stopAt } from "../client/stop.ts";
import { resolveFromHome } from "../config.ts";
import { KhachapuriError } from "../errors.ts";
import { LOW_CREDITS } from "../limits.ts";
import { readKeyFile } from "../spec/keys.ts";
import { type Spec, specToJson } from "../spec/schema.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { creditsText } from "./parties.ts";
import { fetchSpec } from "./spec.ts";

export const deployments = defineCommand({
  usage: "",
  details: [
    "What was deployed from here, with the credits that each deployment has spent and that are " +
    "left with its provider, and what each needs: credits, or a new permit, because the " +
    "provider's price rose or the permit was taken back.",
  ],
  examples: ["deployments", "deployments --json"],
  options: {},
  async run(context) {
    const { out, home } = context;
    const own = await readDeployments(home);
    if (own.length === 0) {
      return out.result({ deployments: [] }, ["nothing was deployed from here yet"]);
    }
    const [spending, prices] = await Promise.all([
      context.chain().then((chain) => readSpending(chain, own)),
      presentPrices(context, own),
    ]);
    const rows = spending.map((row) => rowOf(row, prices.get(row.provider.name) ?? null));
    out.result({ deployments: rows.map(rowJson) }, rows.flatMap(rowLines));
  },
});

/** A deployment at one provider, with what its permit lacks. */
interface Row extends Spending {
  /** What the provider asks for a credit now; null when its name can't be read. */
  priceNow: bigint | null;
  needsPermit: PermitNeed | null;
}

function rowOf(spending: Spending, priceNow: bigint | null): Row {
  const { provider, signingEpoch: epoch } = spending;
  return { ...spending, priceNow, needsPermit: permitNeed(provider, { price: priceNow, epoch }) };
}

/** What the providers ask now, by name; a name that can't be read is left out. */
async function presentPrices(
  context: CommandContext,
  own: readonly OwnDeployment[],
): Promise<ReadonlyMap<string, bigint>> {
  const running = own.flatMap(({ providers }) => providers)
    .filter(({ stoppedAt }) => stoppedAt === undefined);
  const prices = new Map<string, bigint>();
  const names = [...new Set(running.map(({ name }) => name))];
  await Promise.all(names.map(async (name) => {
    const record = await presentRecord(context, name).catch((error) => {
      if (error instanceof KhachapuriError) return null;
      throw error;
    });
    if (record) prices.set(name, record.price);
  }));
  return prices;
}

function rowJson({ deployment, provider, settled, creditsLeft, priceNow, needsPermit }: Row) {
  const { cid, id, owner, createdAt, unpublished } = deployment;
  const { name, address, chainId, stoppedAt } = provider;
  return {
    cid,
    id,
    owner,
    createdAt,
    isPublished: !unpublished,
    provider: { name, address, chainId },
    stopped: stoppedAt ?? null,
    creditsSpent: settled,
    creditsLeft,
    isLow: isLow(creditsLeft),
    permit: { price: provider.price, epoch: provider.epoch },
    priceNow,
    needsPermit,
  };
}

function rowLines(row: Row): string[] {
  const { deployment, provider, settled, creditsLeft } = row;
  const ready = deployment.unpublished ? "not published from here" : "running";
  const state = provider.stoppedAt === undefined ? ready : `stopped ${provider.stoppedAt}`;
  const spending = settled === null
    ? `paid on chain ${provider.chainId}`
    : `${creditsText(settled)} spent, ${creditsLeft} left with ${provider.name}`;
  return [
    deployment.cid,
    `  ${provider.name}, since ${deployment.createdAt}, ${state}`,
    `  ${spending}`,
    ...(provider.stoppedAt === undefined && isLow(creditsLeft)
      ? [`  running low: khachapuri allow ${provider.name} --credits N`]
      : []),
    ...permitLines(row),
  ];
}

function permitLines({ deployment: { cid }, provider, priceNow, needsPermit }: Row): string[] {
  if (provider.stoppedAt !== undefined) return [];
  const renewal = `needs a new permit: khachapuri permit ${cid}`;
  if (needsPermit === "epoch") return [`  permits taken back; ${renewal}`];
  if (priceNow === null) {
    return [`  the price of ${provider.name} is unknown: its name can't be read`];
  }
  if (needsPermit === null) return [];
  const paid = formatUsdc(provider.price);
  return [`  price rose to ${formatUsdc(priceNow)} USDC, the permit pays ${paid}; ${renewal}`];
}

function isLow(creditsLeft: bigint | null): boolean {
  return creditsLeft !== null && creditsLeft < LOW_CREDITS;
}

export const stop = defineCommand({
  usage: "CID [--provider NAME]",
  details: [
    "Ends a deployment of yours at its providers, for good: calls to it get 410 from then on. " +
    "Your signature, not this machine, is what the provider asks for.",
  ],
  examples: ["stop bafkrei…", "stop bafkrei… --provider paolo.eth"],
  options: {
    provider: { type: "string", value: "NAME", description: "at this one only" },
  },
  positionals: { min: 1, max: 1 },
  async run(context, { options, positionals }) {
    const { out, home } = context;
    const cid = formatCid(parseCid(positionals[0]!));
    const deployment = await requireDeploymentAt(home, cid, options.provider);
    const { providers } = deployment;
    const account = await context.account();
    for (const provider of providers) {
      out.progress(`stopping at ${provider.name}`);
      await stopAt(account, deployment, provider, await presentDomain(context, provider.name));
      await noteStopped(home, cid, provider.name, new Date().toISOString());
    }
    const names = providers.map(({ name }) => name);
    out.result({ stopped: cid, providers: names }, names.map((name) => `stopped at ${name}`));
  },
});

/** Where a provider's name says it is now; it may have moved since the deployment. */
export async function presentDomain(context: CommandContext, name: string): Promise<string> {
  return (await presentRecord(context, name)).webDomain;
}

async function presentRecord(context: CommandContext, name: string): Promise<ProviderRecord> {
  const [chain, contracts] = await Promise.all([context.chain(), context.contracts()]);
  return await resolveProvider(chain, name, contracts);
}

export const inspect = defineCommand({
  usage: "CID",
  details: [
    "With the provider's age identity (its key file, or --keys FILE): decrypts the spec, checks " +
    "it and shows it with its secrets masked.",
    "For the developer, who can't decrypt it: what deploy noted about it.",
  ],
  examples: ["inspect bafkrei…", "inspect bafkrei… --keys /etc/khachapuri/keys.json"],
  options: {},
  positionals: { min: 1, max: 1 },
  async run(context, { positionals }) {
    const cid = parseCid(positionals[0]!);
    const identities = await identitiesOf(context);
    const text = formatCid(cid);
    if (identities.length === 0) return show(context, await requireDeployment(context.home, text));
    const spec = await fetchSpec(context, cid, identities);
    if (spec === null) return show(context, await requireDeployment(context.home, text));
    show(context, maskedSpec(spec));
  },
});

async function identitiesOf(context: CommandContext): Promise<string[]> {
  const config = await context.config();
  const path = context.flags.keys === undefined && config.provider
    ? resolveFromHome(config, config.provider.keyFile)
    : context.keysPath;
  try {
    return (await readKeyFile(path)).identities ?? [];
  } catch (error) {
    if (error instanceof KhachapuriError && error.code === "not_found") return [];
    throw error;
  }
}

function show({ out }: CommandContext, value: object): void {
  const plain = (_: string, item: unknown) => typeof item === "bigint" ? String(item) : item;
  out.result(value, [JSON.stringify(value, plain, 2)]);
}

/** A spec's JSON without its secrets: the program's key, values of env, permits' signatures. */
export function maskedSpec(spec: Spec): object {
  const json = specToJson(spec);
  const { key, ...program } = json.program;
  return {
    ...json,
    program: key === undefined ? program : { ...program, key: "(hidden)" },
    env: Object.fromEntries(Object.keys(json.env).map((name) => [name, "(hidden)"])),
    providers: json.providers.map((entry) => ({
      ...entry,
      permit: { ...entry.permit, signature: "(hidden)" },
    })),
  };
}

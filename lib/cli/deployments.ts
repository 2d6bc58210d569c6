/** `deployments`, `stop` and `inspect`: what becomes of a deployment after `deploy`. */
import { type ProviderRecord, resolveProvider } from "../chain/ens.ts";
import { formatUsdc } from "../chain/usdc.ts";
import { parseCid } from "../cid.ts";
import {
  noteStopped,
  type OwnDeployment,
  readDeployments,
  requireDeployment,
} from "../client/deployments_file.ts";
import { readSpending, type Spending } from "../client/deployment_spending.ts";
import { printable } from "../client/provider_http.ts";
import { type PermitNeed, permitNeed } from "../client/renewal.ts";
import type { ServerState } from "../client/servers.ts";
import { stopAt } from "../client/stop.ts";
import type { DeploymentTariff } from "../client/tariffs.ts";
import { resolveFromHome } from "../config.ts";
import { KhachapuriError } from "../errors.ts";
import { LOW_CREDITS } from "../limits.ts";
import { UINT128_MAX, UINT64_MAX } from "../permit.ts";
import { creditsMax } from "../spec/credits.ts";
import { readKeyFile } from "../spec/keys.ts";
import { type Spec, specToJson } from "../spec/schema.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { cidOf, ownDeployment } from "./own_deployment.ts";
import { creditsText } from "./parties.ts";
import { isServer, readServers, serverLines, type Servers } from "./server_lines.ts";
import { fetchSpec } from "./spec.ts";
import { isKept, keptLine, readTariffs, tariffJson, type Tariffs } from "./tariff_lines.ts";

export const deployments = defineCommand({
  usage: "[CID|URL]",
  details: [
    "What was deployed from here, oldest first: its URL, the credits that it has spent and that " +
    "are left with its provider, and what each needs: credits, or a new permit, because the " +
    "provider's price rose or the permit was taken back. Of programs that are servers, which " +
    "instances there are, as their providers tell the owner.",
  ],
  examples: ["deployments", "deployments https://paolo.example/bafkrei…", "deployments --json"],
  options: {},
  positionals: { min: 0, max: 1 },
  async run(context, { positionals: [wanted] }) {
    const { out, home } = context;
    const own = wanted === undefined
      ? await readDeployments(home)
      : [await ownDeployment(home, wanted, undefined)];
    if (own.length === 0) {
      return out.result({ deployments: [] }, ["nothing was deployed from here yet"]);
    }
    const [spending, records] = await Promise.all([
      context.chain().then((chain) => readSpending(chain, own)),
      presentRecords(context, own),
    ]);
    const servers = await readServers(context, own, records);
    const tariffs = await readTariffs(context, own, records);
    const rows = spending.map((row) => rowOf(row, records, servers, tariffs));
    out.result({ deployments: rows.map(rowJson) }, [rows.map(rowText).join("\n\n")]);
  },
});

/** A deployment at one provider, with what its permit lacks. */
interface Row extends Spending {
  /** What the provider asks for a credit now; null when its name can't be read. */
  priceNow: bigint | null;
  needsPermit: PermitNeed | null;
  /** What it pays there, where the price rose above its permit; null when that is not known. */
  tariff: DeploymentTariff | null;
  /** null when the provider did not say. */
  server: ServerState | null;
}

const NO_INSTANCES: ServerState = { instances: [], restarts: 0 };

function rowOf(
  spending: Spending,
  records: ReadonlyMap<string, ProviderRecord>,
  servers: Servers,
  tariffs: Tariffs,
): Row {
  const { deployment: { cid }, provider, signingEpoch: epoch } = spending;
  const price = records.get(provider.name)?.price ?? null;
  const there = servers.get(provider.name);
  return {
    ...spending,
    priceNow: price,
    needsPermit: permitNeed(provider, { price, epoch }),
    tariff: tariffs.get(provider.name)?.get(cid) ?? null,
    server: there ? there.get(cid) ?? NO_INSTANCES : null,
  };
}

/** What the providers' names say now; a name that can't be read is left out. */
async function presentRecords(
  context: CommandContext,
  own: readonly OwnDeployment[],
): Promise<ReadonlyMap<string, ProviderRecord>> {
  const running = own.flatMap(({ providers }) => providers)
    .filter(({ stoppedAt }) => stoppedAt === undefined);
  const records = new Map<string, ProviderRecord>();
  const names = [...new Set(running.map(({ name }) => name))];
  await Promise.all(names.map(async (name) => {
    const record = await presentRecord(context, name).catch((error) => {
      if (error instanceof KhachapuriError) return null;
      throw error;
    });
    if (record) records.set(name, record);
  }));
  return records;
}

type State =
  | "stopped"
  | "unpublished"
  | "needs permit"
  | "needs credits"
  | "at an earlier price"
  | "running";

/** What becomes of a call to it that its owner shall pay for. */
function stateOf(row: Row): State {
  const { deployment, provider, creditsLeft, needsPermit } = row;
  if (provider.stoppedAt !== undefined) return "stopped";
  if (deployment.unpublished) return "unpublished";
  if (needsPermit !== null && !isPaidAsBefore(row)) return "needs permit";
  if (creditsLeft !== null && creditsLeft <= 0n) return "needs credits";
  return needsPermit === null ? "running" : "at an earlier price";
}

/** Whether its provider keeps the earlier price for it, which the permit pays. */
function isPaidAsBefore({ needsPermit, provider, tariff }: Row): boolean {
  return needsPermit === "price" && isKept(provider, tariff);
}

function urlOf({ deployment, provider }: Row): string {
  return `${provider.webDomain}/${deployment.cid}`;
}

function rowJson(row: Row) {
  const { deployment, provider, settled, creditsLeft, priceNow, needsPermit } = row;
  const { cid, id, owner, createdAt, unpublished, program, signed } = deployment;
  const { name, address, chainId, stoppedAt } = provider;
  return {
    cid,
    name: program.name ?? null,
    entrypoint: program.entrypoint ?? null,
    url: urlOf(row),
    state: stateOf(row),
    id,
    owner,
    createdAt,
    isPublished: !unpublished,
    provider: { name, address, chainId },
    stopped: stoppedAt ?? null,
    creditsSpent: settled,
    creditsLeft,
    creditsMax: creditsOf(deployment),
    interface: signed?.interface ?? null,
    egress: signed?.egress ?? null,
    isLow: isLow(row),
    permit: { price: provider.price, epoch: provider.epoch },
    priceNow,
    needsPermit,
    tariff: tariffJson(row.tariff),
    ...(isServer(deployment) ? { server: row.server } : {}),
  };
}

function rowText(row: Row): string {
  const { deployment, provider, settled, creditsLeft } = row;
  const { cid, createdAt, program } = deployment;
  const { name = "(unnamed)", entrypoint } = program;
  const price = `${formatUsdc(provider.price)} USDC a credit at most`;
  const credits = creditsOf(deployment);
  const perRun = credits === 1 ? "" : `, up to ${credits} credits a run`;
  const spending = settled === null
    ? `paid on chain ${provider.chainId}`
    : `${creditsText(settled)} spent, ${creditsLeft} left with ${provider.name}`;
  return [
    `${name}${entrypoint ? `  ${entrypoint}` : ""}  since ${isoText(createdAt)}`,
    `  ${cid}`,
    `  ${urlOf(row)}`,
    `  ${provider.name}, ${price}${perRun}`,
    ...(deployment.signed ? [`  interface ${deployment.signed.interface}`] : []),
    ...egressLines(deployment),
    ...instanceLines(row),
    `  ${stateText(row)}: ${spending}`,
    ...creditLines(row),
    ...permitLines(row),
  ].map(printable).join("\n");
}

/** Credits that one run may take. */
function creditsOf({ signed }: OwnDeployment): number {
  return signed ? creditsMax(signed) : 1;
}

function egressLines({ signed }: OwnDeployment): string[] {
  const [first, ...others] = signed?.egress ?? [];
  if (first === undefined) return [];
  return [`  may call ${first}${others.length === 0 ? "" : ` and ${others.length} more`}`];
}

function instanceLines({ deployment, provider, server }: Row): string[] {
  return isServer(deployment) && provider.stoppedAt === undefined ? serverLines(server) : [];
}

/** To the second. */
function isoText(iso: string): string {
  return `${iso.slice(0, 19)}Z`;
}

const STATE_TEXTS: Readonly<Record<State, string>> = {
  stopped: "stopped",
  unpublished: "not published from here",
  "needs permit": "not paid",
  "needs credits": "not paid",
  "at an earlier price": "running at an earlier price",
  running: "running",
};

function stateText(row: Row): string {
  const { stoppedAt } = row.provider;
  return stoppedAt === undefined ? STATE_TEXTS[stateOf(row)] : `stopped ${isoText(stoppedAt)}`;
}

function creditLines(row: Row): string[] {
  const { provider: { name, stoppedAt }, creditsLeft } = row;
  if (stoppedAt !== undefined || !isLow(row)) return [];
  const what = creditsLeft! <= 0n ? "no credits left" : "running low";
  return [`  ${what}: khachapuri allow ${name} --credits N`];
}

function permitLines(row: Row): string[] {
  const { deployment: { cid }, provider, priceNow, needsPermit, tariff } = row;
  if (provider.stoppedAt !== undefined) return [];
  const renewal = `needs a new permit: khachapuri permit ${cid}`;
  if (needsPermit === "epoch") return [`  permits taken back; ${renewal}`];
  if (priceNow === null) {
    return [`  the price of ${provider.name} is unknown: its name can't be read`];
  }
  if (needsPermit === null) return [];
  if (isPaidAsBefore(row)) return [keptLine(tariff!, provider.name)];
  const paid = formatUsdc(provider.price);
  return [`  price rose to ${formatUsdc(priceNow)} USDC, the permit pays ${paid}; ${renewal}`];
}

/** Few credits are left, or fewer than one run may take. */
function isLow({ creditsLeft, deployment }: Row): boolean {
  if (creditsLeft === null) return false;
  return creditsLeft < LOW_CREDITS || creditsLeft < BigInt(creditsOf(deployment));
}

export const stop = defineCommand({
  usage: "CID|URL [--provider NAME]",
  details: [
    "Ends a deployment of yours at its providers, for good: calls to it get 410 from then on. " +
    "Your signature, not this machine, is what the provider asks for. A URL, or NAME/CID, names " +
    "one provider; it stays at the others.",
  ],
  examples: ["stop bafkrei…", "stop bafkrei… --provider paolo.eth"],
  options: {
    provider: { type: "string", value: "NAME", description: "at this one only" },
  },
  positionals: { min: 1, max: 1 },
  async run(context, { options, positionals }) {
    const { out, home } = context;
    const deployment = await ownDeployment(home, positionals[0]!, options.provider);
    const { cid, providers } = deployment;
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
  usage: "CID|URL",
  details: [
    "With the provider's age identity (its key file, or --keys FILE): decrypts the spec, checks " +
    "it and shows it with its secrets masked.",
    "For the developer, who can't decrypt it: what deploy noted about it, with what was signed.",
  ],
  examples: ["inspect bafkrei…", "inspect bafkrei… --keys /etc/khachapuri/keys.json"],
  options: {},
  positionals: { min: 1, max: 1 },
  async run(context, { positionals }) {
    const text = cidOf(positionals[0]!);
    const cid = parseCid(text);
    const identities = await identitiesOf(context);
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
  out.result(value, [JSON.stringify(value, forPeople, 2)]);
}

/** A JSON replacer: the largest values of their types bound nothing, and are no numbers to read. */
function forPeople(_: string, item: unknown): unknown {
  const text = typeof item === "bigint" ? String(item) : item;
  if (text === String(UINT128_MAX)) return "unlimited";
  return text === String(UINT64_MAX) ? "never" : text;
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

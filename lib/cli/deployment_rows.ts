/** What is known of each deployment at each of its providers, as `deployments` tells it. */
import type { ProviderRecord } from "../chain/ens.ts";
import type { DeploymentState } from "../client/deployment_states.ts";
import { readSpending, type Spending } from "../client/deployment_spending.ts";
import { labelsOf, type OwnDeployment, readDeployments } from "../client/deployments_file.ts";
import { type PermitNeed, permitNeed } from "../client/renewal.ts";
import { KhachapuriError } from "../errors.ts";
import { LOW_CREDITS } from "../limits.ts";
import { creditsMax } from "../spec/credits.ts";
import type { CommandContext } from "./command.ts";
import { nameUrl } from "./name_url.ts";
import { presentRecord } from "./present_provider.ts";
import { isServer } from "./server_lines.ts";
import { isKept, tariffJson } from "./tariff_lines.ts";
import { readStates, type ToldStates } from "./told_states.ts";

/** A deployment at one provider. */
export interface Row extends Spending {
  /** What the provider asks for a credit now; null when its name can't be read. */
  priceNow: bigint | null;
  needsPermit: PermitNeed | null;
  /** null when the provider did not say. */
  told: DeploymentState | null;
  /** Whether another was deployed in its place, and no name leads to this one. */
  isReplaced: boolean;
}

/**
 * A row for each of them and provider, in their order.
 * @throws KhachapuriError `chain_unavailable`, `invalid_config`
 */
export async function readRows(
  context: CommandContext,
  own: readonly OwnDeployment[],
): Promise<Row[]> {
  const [spending, records, all] = await Promise.all([
    context.chain().then((chain) => readSpending(chain, own)),
    presentRecords(context, own),
    readDeployments(context.home),
  ]);
  const states = await readStates(context, own, records);
  const replaced = new Set(all.map(({ replaces }) => replaces));
  return spending.map((row) => ({
    ...rowOf(row, records, states),
    isReplaced: isReplaced(row.deployment, replaced),
  }));
}

/** What a name was rolled back to is in nobody's shadow, whatever was deployed after it. */
function isReplaced(
  deployment: OwnDeployment,
  replaced: ReadonlySet<string | undefined>,
): boolean {
  return replaced.has(deployment.cid) && labelsOf(deployment).length === 0;
}

/** Nobody has paid for it there. */
const UNKNOWN_THERE: DeploymentState = {
  lastRun: null,
  cannotRun: null,
  tariff: null,
  server: null,
};

function rowOf(
  spending: Spending,
  records: ReadonlyMap<string, ProviderRecord>,
  states: ToldStates,
): Omit<Row, "isReplaced"> {
  const { deployment: { cid }, provider, signingEpoch: epoch } = spending;
  const price = records.get(provider.name)?.price ?? null;
  const there = states.get(provider.name);
  return {
    ...spending,
    priceNow: price,
    needsPermit: permitNeed(provider, { price, epoch }),
    told: there ? there.get(cid) ?? UNKNOWN_THERE : null,
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

export type State =
  | "stopped"
  | "unpublished"
  | "needs permit"
  | "needs credits"
  | "needs allowance"
  | "cannot run"
  | "at an earlier price"
  | "running";

/** What becomes of a call to it that its owner shall pay for. */
export function stateOf(row: Row): State {
  const { deployment, provider, creditsLeft, needsPermit } = row;
  if (provider.stoppedAt !== undefined) return "stopped";
  if (deployment.unpublished) return "unpublished";
  if (needsPermit !== null && !isPaidAsBefore(row)) return "needs permit";
  if (creditsLeft !== null && creditsLeft <= 0n) return "needs credits";
  if (isAllowedLess(row)) return "needs allowance";
  if (cannotRunOf(row) !== null) return "cannot run";
  return needsPermit === null ? "running" : "at an earlier price";
}

/** Whether its provider keeps the earlier price for it, which the permit pays. */
export function isPaidAsBefore({ needsPermit, provider, told }: Row): boolean {
  return needsPermit === "price" && isKept(provider, told?.tariff ?? null);
}

/** Why it cannot be started, by its provider's word: now, or as it was rehearsed, till it ran. */
export function cannotRunOf({ told, provider }: Row): string | null {
  return told?.cannotRun ?? (told?.lastRun ? null : provider.refused ?? null);
}

/** Whether credits are allowed, but each for less than a call to it costs. */
export function isAllowedLess({ allowedPrice, priceNow, told }: Row): boolean {
  const due = told?.tariff?.price ?? priceNow;
  return allowedPrice !== null && due !== null && allowedPrice < due;
}

/** Where it stays what it is. */
export function urlOf({ deployment, provider }: Row): string {
  return `${provider.webDomain}/${deployment.cid}`;
}

/** Where its names lead to it, the main one's first, as `deploy` prints it. */
export function namedUrlsOf({ deployment, provider }: Row): string[] {
  return labelsOf(deployment).map((label) => nameUrl(provider.webDomain, label));
}

/** Credits that one run may take. */
export function creditsOf({ signed }: OwnDeployment): number {
  return signed ? creditsMax(signed) : 1;
}

/** Few credits are left, or fewer than one run may take. */
export function isLow({ creditsLeft, deployment }: Row): boolean {
  if (creditsLeft === null) return false;
  return creditsLeft < LOW_CREDITS || creditsLeft < BigInt(creditsOf(deployment));
}

export function rowJson(row: Row) {
  const { deployment, provider, settled, creditsLeft, allowedPrice, priceNow, needsPermit, told } =
    row;
  const { cid, id, owner, createdAt, unpublished, program, signed } = deployment;
  const { name, address, chainId, stoppedAt } = provider;
  const namedUrls = namedUrlsOf(row);
  return {
    cid,
    label: labelsOf(deployment)[0] ?? null,
    names: labelsOf(deployment),
    folder: program.name ?? null,
    dir: program.dir ?? null,
    entrypoint: program.entrypoint ?? null,
    url: urlOf(row),
    namedUrl: namedUrls[0] ?? null,
    namedUrls,
    state: stateOf(row),
    id,
    owner,
    createdAt,
    isPublished: !unpublished,
    isReplaced: row.isReplaced,
    replaces: deployment.replaces ?? null,
    provider: { name, address, chainId },
    stopped: stoppedAt ?? null,
    creditsSpent: settled,
    creditsLeft,
    allowedPrice,
    creditsMax: creditsOf(deployment),
    interface: signed?.interface ?? null,
    egress: signed?.egress ?? null,
    env: signed?.env ?? null,
    isLow: isLow(row),
    permit: { price: provider.price, epoch: provider.epoch },
    priceNow,
    needsPermit,
    tariff: tariffJson(told?.tariff ?? null),
    ...(provider.refused === undefined ? {} : { cannotRun: cannotRunOf(row) }),
    ...toldJson(row),
    ...(isServer(deployment) ? { server: serverOf(row) } : {}),
  };
}

/** Of what its provider does not tell nothing is said. */
function toldJson(row: Row) {
  const { told } = row;
  if (told === null || told.lastRun === undefined) return {};
  const { lastRun } = told;
  const run = lastRun && { ...lastRun, at: new Date(lastRun.at).toISOString() };
  return { lastRun: run, cannotRun: cannotRunOf(row) };
}

/** Of a program that is a server; null when its provider did not say. */
export function serverOf({ told }: Row): DeploymentState["server"] {
  return told && (told.server ?? { instances: [], restarts: 0 });
}

/** Which deployments are served at an earlier price than their providers ask, and until when. */
import { isAddressEqual } from "viem";
import type { ProviderRecord } from "../chain/ens.ts";
import { formatUsdc } from "../chain/usdc.ts";
import type { OwnDeployment, OwnDeploymentProvider } from "../client/deployments_file.ts";
import { type DeploymentTariff, fetchTariffs } from "../client/tariffs.ts";
import { timeText } from "../time_text.ts";
import type { CommandContext } from "./command.ts";
import { hasKey, unlessRefused } from "./own_questions.ts";

/** By provider's name, and then by cid. */
export type Tariffs = ReadonlyMap<string, ReadonlyMap<string, DeploymentTariff>>;

/**
 * Asks each provider once whose price rose above the permit of a deployment of this account's. Who
 * does not answer is left out, and nobody is asked for a key.
 * @param records what the providers' names say now
 */
export async function readTariffs(
  context: CommandContext,
  own: readonly OwnDeployment[],
  records: ReadonlyMap<string, ProviderRecord>,
): Promise<Tariffs> {
  const tooCheap = own.flatMap(({ owner, providers }) => {
    return providers.filter((provider) => {
      const record = records.get(provider.name);
      return provider.stoppedAt === undefined && record && provider.price < record.price;
    }).map((provider) => ({ owner, provider }));
  });
  if (tooCheap.length === 0 || !await hasKey(context)) return new Map();
  const account = await context.account();
  const asked = new Map(
    tooCheap.filter(({ owner }) => isAddressEqual(owner, account.address))
      .map(({ provider }) => [provider.name, provider]),
  );
  const answers = await Promise.all([...asked].map(async ([name, provider]) => {
    const { webDomain } = records.get(name)!;
    context.out.progress(`asking ${name}`);
    const tariffs = await unlessRefused(fetchTariffs(account, { ...provider, webDomain }));
    return tariffs && [name, tariffs] as const;
  }));
  return new Map(answers.filter((answer) => answer !== null));
}

/** Whether a permit that is too cheap for everybody else pays for this deployment now. */
export function isKept(
  { price }: Pick<OwnDeploymentProvider, "price">,
  tariff: DeploymentTariff | null,
): boolean {
  return tariff !== null && tariff.price <= price;
}

export function keptLine({ price, next }: DeploymentTariff, provider: string): string {
  const pays = `${provider} keeps its price of ${formatUsdc(price)} USDC a credit`;
  if (next === null) return `  ${pays}: nothing to do`;
  return `  ${pays} until ${timeText(next.at)}, then ${formatUsdc(next.price)}; before that: ` +
    `khachapuri allow ${provider} --reprice`;
}

/** @returns as JSON has it; null where the provider was not asked, or did not say */
export function tariffJson(tariff: DeploymentTariff | null) {
  if (tariff === null) return null;
  const { price, next } = tariff;
  return { price, next: next && { price: next.price, at: timeText(next.at) } };
}

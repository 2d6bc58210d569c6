/** Which deployments are served at an earlier price than their providers ask, and until when. */
import { formatUsdc } from "../chain/usdc.ts";
import type { DeploymentTariff } from "../client/deployment_states.ts";
import type { OwnDeploymentProvider } from "../client/deployments_file.ts";
import { timeText } from "../time_text.ts";

/** Whether a permit that is too cheap for everybody else pays for this deployment now. */
export function isKept(
  { price }: Pick<OwnDeploymentProvider, "price">,
  tariff: DeploymentTariff | null,
): boolean {
  return tariff !== null && tariff.price <= price;
}

/** When it ends, and what mends that before; nothing where it is kept for good. */
export function keptLines({ price, next }: DeploymentTariff, provider: string): string[] {
  if (next === null) return [];
  return [
    `${provider} keeps its price of ${formatUsdc(price)} USDC a credit ` +
    `until ${timeText(next.at)}, then ${formatUsdc(next.price)}; before that: ` +
    `khachapuri allow ${provider} --reprice`,
  ];
}

/** @returns as JSON has it; null where the provider did not say */
export function tariffJson(tariff: DeploymentTariff | null) {
  if (tariff === null) return null;
  const { price, next } = tariff;
  return { price, next: next && { price: next.price, at: timeText(next.at) } };
}

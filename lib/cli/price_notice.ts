/** What a price, or the terms, would end for the deployments that are there, told beforehand. */
import { resolveProvider } from "../chain/ens.ts";
import { formatUsdc } from "../chain/usdc.ts";
import type { Config, ProviderConfig } from "../config.ts";
import { KhachapuriError } from "../errors.ts";
import { readLeftBehind, tellLeftBehind } from "../provider/door/left_behind.ts";
import type { CommandContext } from "./command.ts";

/**
 * On the provider's machine, whose records know them.
 * @param provider its section, with the price that is to come
 * @returns how many deployments the records know
 */
export function tellOfPrice(
  { out }: CommandContext,
  config: Config,
  provider: ProviderConfig,
): number {
  const left = readLeftBehind(config, provider, null, Date.now);
  const told = tellLeftBehind(left);
  if (told && told.hints.length > 0) {
    out.note(`at ${formatUsdc(provider.price)} USDC a credit: ${told.detail}`);
    for (const hint of told.hints) out.note(`  ${hint}`);
  }
  return left.known;
}

/** Where the provider key is, and no records are. */
export async function tellOfRise(
  context: CommandContext,
  name: string,
  price: bigint,
): Promise<void> {
  const [chain, contracts] = await Promise.all([context.chain(), context.contracts()]);
  const record = await resolveProvider(chain, name, contracts).catch((error) => {
    if (error instanceof KhachapuriError) return null;
    throw error;
  });
  if (record === null || price <= record.price) return;
  context.out.note(
    `the price rises from ${formatUsdc(record.price)} to ${formatUsdc(price)} USDC a credit: ` +
      "on the provider's machine, khachapuri doctor says how many deployments that refuses, and " +
      "init --keep-price keeps the earlier price for them",
  );
}

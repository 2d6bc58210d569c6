/** What a provider's name says now: it may have moved since a deployment was made. */
import { type ProviderRecord, resolveProvider } from "../chain/ens.ts";
import type { CommandContext } from "./command.ts";

/** Where it is. @throws KhachapuriError as `resolveProvider` */
export async function presentDomain(context: CommandContext, name: string): Promise<string> {
  return (await presentRecord(context, name)).webDomain;
}

/** @throws KhachapuriError as `resolveProvider` */
export async function presentRecord(
  context: CommandContext,
  name: string,
): Promise<ProviderRecord> {
  const [chain, contracts] = await Promise.all([context.chain(), context.contracts()]);
  return await resolveProvider(chain, name, contracts);
}

/** Where a command looks names up, and whom it asks who owns them. */
import type { Address } from "viem";
import { ENS_REGISTRY, knownUniversalResolver, type NameSource } from "../chain/ens.ts";
import { KhachapuriError } from "../errors.ts";
import type { CommandContext } from "./command.ts";
import { addressOf } from "./parties.ts";

/** Where names are looked up: they need no escrow, so none is asked for. */
export async function nameSource(context: CommandContext): Promise<NameSource> {
  if (context.flags.registry !== undefined) {
    return { registry: addressOf(context.flags.registry, "--registry") };
  }
  const [config, { chainId }] = await Promise.all([context.config(), context.chain()]);
  return config.contracts[String(chainId)] ?? {};
}

/** Where the owners of names are known. @throws KhachapuriError `invalid_config` */
export async function registryOf(context: CommandContext): Promise<Address> {
  const [{ registry }, { chainId }] = await Promise.all([nameSource(context), context.chain()]);
  if (registry) return registry;
  if (knownUniversalResolver(chainId)) return ENS_REGISTRY;
  throw new KhachapuriError("invalid_config", `no registry is known on chain ${chainId}`, {
    hints: ["give --registry ADDRESS"],
  });
}

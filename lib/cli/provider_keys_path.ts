/** Which key file a command is about on the machine of a provider. */
import { resolveFromHome } from "../config.ts";
import type { CommandContext } from "./command.ts";

/** Where `serve` takes its keys from: where the provider section says, unless a flag does. */
export async function providerKeysPath(context: CommandContext): Promise<string> {
  const config = await context.config();
  if (context.flags.keys !== undefined || !config.provider) return context.keysPath;
  return resolveFromHome(config, config.provider.keyFile);
}

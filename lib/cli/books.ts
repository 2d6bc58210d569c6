/** This machine's provider, as commands that work on its books find it. */
import { join } from "node:path";
import { requireProvider, resolveFromHome } from "../config.ts";
import { accountOf, readKeyFile } from "../spec/keys.ts";
import type { CommandContext } from "./command.ts";

export async function bookDir(context: CommandContext): Promise<string> {
  const config = await context.config();
  return join(resolveFromHome(config, requireProvider(config).stateDir), "book");
}

export async function operatorOf(context: CommandContext) {
  const config = await context.config();
  const path = resolveFromHome(config, requireProvider(config).keyFile);
  return accountOf(await readKeyFile(path), path);
}

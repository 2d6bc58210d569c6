/** This machine's provider, as commands that work on its books find it. */
import { join } from "node:path";
import { requireProvider, resolveFromHome } from "../config.ts";
import { KhachapuriError } from "../errors.ts";
import { accountOf, readKeyFile } from "../spec/keys.ts";
import type { CommandContext } from "./command.ts";

export async function bookDir(context: CommandContext): Promise<string> {
  const config = await context.config();
  return join(resolveFromHome(config, requireProvider(config).stateDir), "book");
}

/** Whether the money is in a database that several nodes share, and none of it in that folder. */
export async function isFleet(context: CommandContext): Promise<boolean> {
  return requireProvider(await context.config()).ledger.postgres !== undefined;
}

/**
 * The ledger in the folder of the books.
 * @throws KhachapuriError `not_found` where there is none
 */
export async function ledgerIn(dir: string): Promise<string> {
  const path = join(dir, "ledger.db");
  await Deno.stat(path).catch(() => {
    throw new KhachapuriError("not_found", `there is no ledger at ${path} yet`, {
      hints: ["it is made when the provider first serves"],
    });
  });
  return path;
}

export async function operatorOf(context: CommandContext) {
  const config = await context.config();
  const path = resolveFromHome(config, requireProvider(config).keyFile);
  return accountOf(await readKeyFile(path), path);
}

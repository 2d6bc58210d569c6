/** A word to developers whose program looks like a web server, and is called as none. */
import { printable } from "../client/provider_http.ts";
import { serverSign } from "../spec/server_signs.ts";
import type { CommandContext } from "./command.ts";
import type { ProgramFlags } from "./program_flags.ts";

/** Whoever names an interface knows what it is. */
export async function noteServer(
  { out }: Pick<CommandContext, "out">,
  dir: string,
  { interface: kind, entrypoint = "./main" }: Pick<ProgramFlags, "interface" | "entrypoint">,
): Promise<void> {
  if (kind !== undefined) return;
  const sign = await serverSign(dir, entrypoint);
  if (sign === null) return;
  out.note(printable(`note: ${sign}; a web server needs --interface http, which keeps it running`));
}

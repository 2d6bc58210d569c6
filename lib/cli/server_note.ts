/** A word to developers whose program looks like what it is not called as. */
import { printable } from "../client/provider_http.ts";
import { isCgiScript, serverSign } from "../spec/server_signs.ts";
import type { CommandContext } from "./command.ts";
import type { ProgramFlags } from "./program_flags.ts";

export async function noteServer(
  { out }: Pick<CommandContext, "out">,
  dir: string,
  { interface: kind, entrypoint = "./main" }: Pick<ProgramFlags, "interface" | "entrypoint">,
): Promise<void> {
  const note = await noteOn(dir, kind, entrypoint);
  if (note !== null) out.note(printable(`note: ${note}`));
}

/** Whoever names an interface knows what it is, unless it prints what no server prints. */
async function noteOn(
  dir: string,
  kind: string | undefined,
  entrypoint: string,
): Promise<string | null> {
  if (kind === "http" && await isCgiScript(dir, entrypoint)) {
    return `${entrypoint} prints Content-Type as CGI programs do, and a server listens; if it is ` +
      "started for each request, it needs --interface cgi";
  }
  if (kind !== undefined) return null;
  const sign = await serverSign(dir, entrypoint);
  if (sign === null) return null;
  return `${sign}; a web server needs --interface http, which keeps it running`;
}

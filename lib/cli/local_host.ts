/** How a developer's programs are sandboxed on this machine. */
import { join } from "node:path";
import type { SandboxHost } from "../../sandbox/sandbox.ts";
import type { CommandContext } from "./command.ts";

/** Uid of "nobody": programs never run as root. */
const NOBODY = 65_534;

/** As its configuration says, where it has one. */
export async function localHost(context: CommandContext): Promise<SandboxHost> {
  const hasConfig = await Deno.stat(join(context.home, "config.json")).then(
    () => true,
    () => false,
  );
  // Reading one takes a good part of the time that a start may take.
  const provider = hasConfig ? (await context.config()).provider : undefined;
  const { launcher = "bwrap", launcherPath, runUid = NOBODY } = provider?.sandbox ?? {};
  return {
    launcher,
    ...(launcherPath === undefined ? {} : { launcherPath }),
    runUid: Deno.uid() === 0 ? runUid : null,
  };
}

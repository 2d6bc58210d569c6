/** The command line's entry: the one file that touches Deno.args and Deno.exit. */
import { runCli } from "./lib/cli/cli.ts";
import { processWorld } from "./lib/cli/terminal.ts";
import { tendUnpacked } from "./lib/cli/unpacked.ts";

if (import.meta.main) {
  tendUnpacked(import.meta.url);
  Deno.exit(await runCli(processWorld(Deno.args)));
}

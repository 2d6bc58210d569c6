/** The command line's entry: the one file that touches Deno.args and Deno.exit. */
import { runCli } from "./lib/cli/cli.ts";
import { processWorld } from "./lib/cli/terminal.ts";

if (import.meta.main) Deno.exit(await runCli(processWorld(Deno.args)));

/** `serve`: runs the provider of this machine until it is told to stop. */
import type { Config } from "../config.ts";
import { createLog, type LogLevel } from "../log.ts";
import { startProvider } from "../provider/door/serve.ts";
import { usageError } from "./arguments.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { namedContracts } from "./context.ts";
import { untilAborted } from "./until_aborted.ts";

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

export const serve = defineCommand({
  usage: "[--log-level LEVEL]",
  details: [
    "Serves the provider that config.json describes. It stops on SIGTERM or SIGINT: no new " +
    "calls, running ones may end, what is due is settled. On SIGHUP it reads its certificate anew.",
    "Logs go to stderr: JSON lines, or short lines on a terminal. With --json they are JSON lines " +
    "there, too, and stdout gets one line: the URL that it listens on.",
  ],
  examples: ["serve", "serve --home /var/lib/khachapuri --log-level debug"],
  options: {
    json: { type: "boolean", description: "print JSON: one line, and a line each on stderr" },
    "log-level": { type: "string", value: "LEVEL", description: `${LEVELS.join(", ")}` },
  },
  async run(context, { options }) {
    const { world, out } = context;
    const log = createLog({
      write: (line) => world.stderr.write(new TextEncoder().encode(line)),
      isTerminal: world.stderr.isTerminal() && !out.isJson,
      level: checkedLevel(options["log-level"] ?? "info"),
    });
    const stop = world.stopSignal();
    let renewCertificate = () => Promise.resolve();
    world.onHangUp(() => void renewCertificate());
    const provider = await startProvider(await servedConfig(context), { log });
    renewCertificate = provider.renewCertificate;
    // Scripts wait for this line; the log says the same to people.
    if (out.isJson) out.jsonLine({ url: provider.url });
    else out.line(`listening on ${provider.url}`);
    const failed = await Promise.race([untilAborted(stop).then(() => null), provider.failed]);
    log.info("stopping", failed ? { error: failed } : { signal: String(stop.reason) });
    await provider.stop().catch((error) => {
      if (!failed) throw error;
    });
    log.info("stopped");
    // Its exit code has systemd begin anew, from what the books on the disk say.
    if (failed) throw failed;
  },
});

/** The configuration with the contracts that flags name; a provider checks them as it starts. */
async function servedConfig(context: CommandContext): Promise<Config> {
  const config = await context.config();
  const { escrow, registry } = context.flags;
  if (escrow === undefined && registry === undefined) return config;
  const chainId = String((await context.chain()).chainId);
  const named = { ...config.contracts[chainId], ...await namedContracts(context.flags) };
  return { ...config, contracts: { ...config.contracts, [chainId]: named } };
}

function checkedLevel(text: string): LogLevel {
  const level = LEVELS.find((known) => known === text);
  if (level) return level;
  throw usageError("serve", `--log-level is one of ${LEVELS.join(", ")}`);
}

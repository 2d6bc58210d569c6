/** `serve`: runs the provider of this machine until it is told to stop. */
import type { Config } from "../config.ts";
import { FloodGuard } from "../flood_guard.ts";
import { createLog, type LogLevel } from "../log.ts";
import { startProvider } from "../provider/door/serve.ts";
import { usageError } from "./arguments.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { namedContracts } from "./context.ts";
import { LogFile } from "./log_file.ts";
import { untilAborted } from "./until_aborted.ts";

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

export const serve = defineCommand({
  usage: "[--log-level LEVEL] [--log-file FILE]",
  details: [
    "Serves the provider that config.json describes. It stops on SIGTERM or SIGINT: no new " +
    "calls, running ones may end, what is due is settled. On SIGHUP it reads its certificate anew.",
    "Logs go to stderr: JSON lines, or short lines on a terminal. With --json they are JSON lines " +
    "there, too, and stdout gets one line: the URL that it listens on.",
    "With --log-file they are JSON lines in FILE, and in FILE.1 to FILE.4 those before: beyond " +
    "--log-max-mb a file is renamed, so the log takes five times that at most. Of a message that " +
    "comes very often a part is written, and how many were not.",
  ],
  examples: ["serve", "serve --home /var/lib/khachapuri --log-level debug"],
  options: {
    json: { type: "boolean", description: "print JSON: one line, and a line each on stderr" },
    "log-file": { type: "string", value: "FILE", description: "log there, not to stderr" },
    "log-max-mb": { type: "string", value: "N", description: "of each such file (default: 64)" },
    "log-level": { type: "string", value: "LEVEL", description: `${LEVELS.join(", ")}` },
  },
  async run(context, { options }) {
    const { world, out } = context;
    const file = logFileOf(options);
    const log = createLog({
      write: (line) => file ? file.write(line) : world.stderr.write(new TextEncoder().encode(line)),
      isTerminal: file === null && world.stderr.isTerminal() && !out.isJson,
      level: checkedLevel(options["log-level"] ?? "info"),
      guard: new FloodGuard(Date.now),
    });
    const stop = world.stopSignal();
    let renewCertificate = () => Promise.resolve();
    world.onHangUp(() => void renewCertificate());
    const provider = await startProvider(await servedConfig(context), { log });
    renewCertificate = provider.renewCertificate;
    // Scripts wait for this line; the log says the same to people.
    if (out.isJson) out.jsonLine({ url: provider.url });
    else out.line(`listening on ${provider.url}`);
    await untilAborted(stop);
    log.info("stopping", { signal: String(stop.reason) });
    await provider.stop();
    log.info("stopped");
    file?.close();
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

/** @throws KhachapuriError `usage`, `file_unusable` */
function logFileOf(
  { "log-file": path, "log-max-mb": text }: Readonly<
    Record<"log-file" | "log-max-mb", string | undefined>
  >,
): LogFile | null {
  if (path === undefined) {
    if (text === undefined) return null;
    throw usageError("serve", "--log-max-mb is for --log-file");
  }
  const megabytes = /^[1-9][0-9]{0,5}$/.test(text ?? "64") ? Number(text ?? "64") : null;
  if (megabytes === null) throw usageError("serve", `--log-max-mb is no number of MB: ${text}`);
  return LogFile.open(path, megabytes * 1e6);
}

function checkedLevel(text: string): LogLevel {
  const level = LEVELS.find((known) => known === text);
  if (level) return level;
  throw usageError("serve", `--log-level is one of ${LEVELS.join(", ")}`);
}

/** `serve`: runs the provider of this machine until it is told to stop. */
import type { Config } from "../config.ts";
import { KhachapuriError } from "../errors.ts";
import { createLog, type LogLevel } from "../log.ts";
import { type RunningProvider, startProvider } from "../provider/door/serve.ts";
import type { Reloads } from "../provider/succession/reload.ts";
import { givenDescriptor } from "../provider/succession/service_environment.ts";
import { openServiceManager } from "../provider/succession/service_manager.ts";
import { usageError } from "./arguments.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { namedContracts } from "./context.ts";
import { endFollowed, lookAtFiles, openReloads, tellRefusal } from "./succession.ts";
import { untilAborted } from "./until_aborted.ts";

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

export const serve = defineCommand({
  usage: "[--log-level LEVEL]",
  details: [
    "Serves the provider that config.json describes. It stops on SIGTERM or SIGINT: no new " +
    "calls, running ones may end, what is due is settled. On SIGHUP it reloads (khachapuri reload).",
    "Logs go to stderr: JSON lines, or short lines on a terminal. With --json they are JSON lines " +
    "there, too, and stdout gets one line: the URL that it listens on.",
    "Under systemd it listens at the socket named listen that it is passed, and tells what becomes " +
    "of it (Type=notify).",
  ],
  examples: ["serve", "serve --home /var/lib/khachapuri --log-level debug"],
  options: {
    json: { type: "boolean", description: "print JSON: one line, and a line each on stderr" },
    "log-level": { type: "string", value: "LEVEL", description: `${LEVELS.join(", ")}` },
    "take-over": {
      type: "boolean",
      description: "go on in the stead of the one that serves; reload and upgrade start it so",
    },
  },
  async run(context, { options }) {
    const { world, out } = context;
    const log = createLog({
      write: (line) => world.stderr.write(new TextEncoder().encode(line)),
      isTerminal: world.stderr.isTerminal() && !out.isJson,
      level: checkedLevel(options["log-level"] ?? "info"),
    });
    const stop = world.stopSignal();
    let hangUp = () => {};
    world.onHangUp(() => hangUp());
    const environment = { pid: Deno.pid, env: world.env };
    const manager = openServiceManager(environment, log);
    const { standing } = await lookAtFiles(context);
    const config = await servedConfig(context);
    const provider = await start(config, {
      log,
      isSuccessor: options["take-over"],
      fd: givenDescriptor("listen", environment),
    });
    const reloads = openReloads({ context, config, standing, provider, manager, log });
    hangUp = () => void reloads.reload().catch(() => {});
    // Scripts wait for this line; the log says the same to people.
    if (out.isJson) out.jsonLine({ url: provider.url });
    else out.line(`listening on ${provider.url}`);
    const status = `serving at ${provider.url}`;
    void manager.tell({ READY: "1", MAINPID: String(Deno.pid), STATUS: status });
    manager.keepWatch();
    const end = await Promise.race([
      untilAborted(stop).then(() => String(stop.reason)),
      provider.succeeded.then(() => "followed" as const),
      lostSocket(provider, reloads),
    ]);
    manager.close();
    if (end === "followed") {
      const onHangUp = (callback: () => void) => void (hangUp = callback);
      return await endFollowed({ provider, reloads, environment, manager, stop, onHangUp });
    }
    reloads.close();
    log.info("stopping", end instanceof Error ? { error: end } : { signal: end });
    void manager.tell({ STOPPING: "1", STATUS: "stopping: running calls may end" });
    await provider.stop();
    log.info("stopped");
    if (end instanceof Error) throw end;
  },
});

/** One that was to take over tells the other why it does not. */
async function start(
  config: Config,
  options: Parameters<typeof startProvider>[1],
): Promise<RunningProvider> {
  try {
    return await startProvider(config, options);
  } catch (error) {
    if (options.isSuccessor) await tellRefusal(config, error);
    throw error;
  }
}

/**
 * Only a new process gets the service manager's socket again: a successor, or whom the manager
 * starts when we fail. Resolves when that is to be.
 */
async function lostSocket(provider: RunningProvider, reloads: Reloads): Promise<KhachapuriError> {
  await provider.deafened;
  const isFollowed = await reloads.reload({ isForced: true }).then(() => true, () => false);
  if (isFollowed) return await new Promise(() => {});
  const reason = "the service manager's socket accepts no connections any more";
  return new KhachapuriError("provider_unavailable", reason);
}

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

/** `serve`: runs the provider of this machine until it is told to stop. */
import type { Config } from "../config.ts";
import { KhachapuriError } from "../errors.ts";
import { FloodGuard } from "../flood_guard.ts";
import { createLog, type LogLevel } from "../log.ts";
import { pause } from "../pause.ts";
import { type RunningProvider, startProvider } from "../provider/door/serve.ts";
import { type Patience, startInTime } from "../provider/door/start_in_time.ts";
import type { Reloads } from "../provider/succession/reload.ts";
import { givenDescriptor } from "../provider/succession/service_environment.ts";
import { openServiceManager, type ServiceManager } from "../provider/succession/service_manager.ts";
import { usageError } from "./arguments.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { namedContracts } from "./context.ts";
import { LogFile } from "./log_file.ts";
import type { Output } from "./output.ts";
import { endFollowed, lookAtFiles, openReloads, takeReloads, tellRefusal } from "./succession.ts";
import { untilAborted } from "./until_aborted.ts";

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

export const serve = defineCommand({
  usage: "[--take-over] [--wait] [--log-level LEVEL] [--log-file FILE]",
  details: [
    "Serves the provider that config.json describes. It stops on SIGTERM or SIGINT: no new " +
    "calls, running ones may end, what is due is settled. On SIGHUP it reloads (khachapuri reload).",
    "With --take-over it takes the place of the provider that runs on the same state, if one does: " +
    "the books pass on, no call is dropped, and the other process ends with its last run. " +
    "reload and upgrade start it so.",
    "Logs go to stderr: JSON lines, or short lines on a terminal. With --json they are JSON lines " +
    "there, too, and stdout gets one line: the URL that it listens on.",
    "Under systemd it listens at the socket named listen that it is passed, and tells what becomes " +
    "of it (Type=notify).",
    "With --log-file they are JSON lines in FILE, and in FILE.1 to FILE.4 those before: beyond " +
    "--log-max-mb a file is renamed, so the log takes five times that at most. Of a message that " +
    "comes very often a part is written, and how many were not.",
  ],
  examples: ["serve", "serve --home /var/lib/khachapuri --log-level debug"],
  options: {
    "take-over": { type: "boolean", description: "take the place of the provider that runs" },
    json: { type: "boolean", description: "print JSON: one line, and a line each on stderr" },
    "log-file": { type: "string", value: "FILE", description: "log there, not to stderr" },
    "log-max-mb": { type: "string", value: "N", description: "of each such file (default: 64)" },
    wait: {
      type: "boolean",
      description: "wait for a chain that does not answer, and for the operator's approval",
    },
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
    let hangUp = () => {};
    world.onHangUp(() => hangUp());
    const environment = { pid: Deno.pid, env: world.env };
    const manager = openServiceManager(environment, log);
    const { promise: succeeded, resolve: onSucceeded } = Promise.withResolvers<void>();
    const { promise: lost, resolve: onLost } = Promise.withResolvers<void>();
    // With the files as they are then: what is waited for may be a word in them.
    const begin = async () => {
      const { standing } = await lookAtFiles(context);
      const config = await servedConfig(context);
      const renew = () => provider.renewCertificate();
      const reloads = openReloads({ context, config, standing, renew, succeeded, manager, log });
      const provider: RunningProvider = await start(config, {
        log,
        isSuccessor: options["take-over"],
        fd: givenDescriptor("listen", environment),
        httpFd: givenDescriptor("http", environment),
        onControl: (control) => takeReloads(control, reloads, standing),
        onSucceeded,
        onLost,
      });
      return { provider, reloads };
    };
    const begun = options.wait
      ? await startInTime(begin, patienceUntil(stop, manager), log)
      : await begin();
    if (begun === null) return log.info("stopped", { signal: String(stop.reason) });
    const { provider, reloads } = begun;
    hangUp = () => void reloads.reload().catch(() => {});
    tellWhere(out, provider.url);
    const status = `serving at ${provider.url}`;
    void manager.tell({ READY: "1", MAINPID: String(Deno.pid), STATUS: status });
    manager.keepWatch();
    const end = await Promise.race([
      untilAborted(stop).then(() => String(stop.reason)),
      Promise.race([succeeded, provider.replaced]).then(() => "followed" as const),
      lost.then(() => lostSocket(reloads)),
      // Our exit code has the service manager begin anew, from what the books on the disk say.
      provider.failed,
    ]);
    manager.close();
    if (end === "followed") {
      const onHangUp = (callback: () => void) => void (hangUp = callback);
      return await endFollowed({ provider, reloads, environment, manager, stop, onHangUp });
    }
    reloads.close();
    log.info("stopping", end instanceof Error ? { error: end } : { signal: end });
    void manager.tell({ STOPPING: "1", STATUS: "stopping: running calls may end" });
    await provider.stop().catch((error) => {
      if (!(end instanceof Error)) throw error;
    });
    log.info("stopped");
    file?.close();
    if (end instanceof Error) throw end;
  },
});

/**
 * Scripts wait for this line; the log says the same to people. A script that has heard it of the
 * first process reads no more, and a successor goes on all the same.
 */
function tellWhere(out: Output, url: string): void {
  try {
    if (out.isJson) out.jsonLine({ url });
    else out.line(`listening on ${url}`);
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/** Until the process is told to stop. Whoever started it is to know that it waits, and for what. */
function patienceUntil(signal: AbortSignal, manager: ServiceManager): Patience {
  return {
    signal,
    onWait: (what) =>
      what !== null && void manager.tell({ READY: "1", STATUS: `waiting: ${what}` }),
    pause: (ms) => Promise.race([pause(ms), untilAborted(signal)]),
  };
}

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
async function lostSocket(reloads: Reloads): Promise<KhachapuriError> {
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

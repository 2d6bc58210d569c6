/** How `serve` is followed by another process: what starts one, and what it then does itself. */
import { join } from "node:path";
import { type Config, type ConfigJson, requireProvider, resolveFromHome } from "../config.ts";
import { asKhachapuriError, KhachapuriError } from "../errors.ts";
import { readJsonFile } from "../home_file.ts";
import type { Log } from "../log.ts";
import { askControl } from "../provider/control/control_client.ts";
import type { Control } from "../provider/control/control_server.ts";
import type { RunningProvider } from "../provider/door/serve.ts";
import { launch } from "../provider/succession/launch.ts";
import { checkedProgramFile, programFile } from "../provider/succession/program_file.ts";
import { type Refusal, Reloads } from "../provider/succession/reload.ts";
import type { ServiceManager } from "../provider/succession/service_manager.ts";
import type { ServiceEnvironment } from "../provider/succession/service_environment.ts";
import { readStanding, type Standing } from "../provider/succession/standing.ts";
import { readPair } from "../provider/wire/certificate.ts";
import type { CommandContext } from "./command.ts";
import { createContext } from "./context.ts";
import { VERSION } from "../version.ts";

/** The flag of a process that goes on in another's stead. */
const TAKE_OVER = "--take-over";

/** What a start finds in its files; the same later tells what has changed. */
export async function lookAtFiles(
  { world, flags, out, commands, home }: CommandContext,
): Promise<{ standing: Standing; config: Config }> {
  const json = await readJsonFile(join(home, "config.json")) ?? {};
  // A context reads once; this one reads now.
  const config = await createContext(world, flags, out, commands).config();
  const standing = await readStanding(json as ConfigJson, config, programFile(world));
  return { standing, config };
}

export interface SuccessionParts {
  readonly context: CommandContext;
  readonly config: Config;
  readonly standing: Standing;
  /** Uses the certificate's files as they are now; whether they had changed. */
  renew(): Promise<boolean>;
  /** Resolves once a successor serves. */
  readonly succeeded: Promise<void>;
  readonly manager: ServiceManager;
  readonly log: Log;
}

/** What has the provider reload. */
export function openReloads(
  { context, config, standing, renew, succeeded, manager, log }: SuccessionParts,
): Reloads {
  return new Reloads({
    standing,
    async look() {
      const found = await lookAtFiles(context);
      assertSameState(config, found.config);
      return found.standing;
    },
    renewCertificate: () => renewCertificate(config, renew),
    launch: () => launchSuccessor(context, manager),
    succeeded,
    tell: manager.tell,
    log,
    now: Date.now,
  });
}

/** Has commands of this machine reload it, and ask what runs. */
export function takeReloads(control: Control, reloads: Reloads, { file }: Standing): void {
  control.on("reload", async (body, lines) => {
    const { isForced } = Object(body) as { isForced?: unknown };
    const onProgress = (progress: string) => void lines.send({ progress }).catch(() => {});
    return await reloads.reload({ isForced: isForced === true, onProgress });
  });
  control.on("successor-refused", (body) => {
    const { code, message, hints } = Object(body) as Partial<Refusal>;
    reloads.refused({
      code: String(code),
      message: String(message),
      hints: Array.isArray(hints) ? hints.map(String) : [],
    });
    return Promise.resolve(null);
  });
  control.on("program", () => Promise.resolve({ version: VERSION, file }));
}

/** Two providers with a state each would serve at one place. */
function assertSameState(before: Config, after: Config): void {
  const [was, is] = [before, after].map((config) =>
    resolveFromHome(config, requireProvider(config).stateDir)
  );
  if (was === is) return;
  throw new KhachapuriError("invalid_config", `provider.stateDir is ${is}, and was ${was}`, {
    hints: ["stop the provider, move its state, and start it"],
  });
}

async function renewCertificate(
  config: Config,
  renew: () => Promise<boolean>,
): Promise<boolean> {
  const { tls } = requireProvider(config);
  const [cert, key] = [tls?.cert, tls?.key].map((path) => path && resolveFromHome(config, path));
  const fault = cert && key
    ? await readPair({ cert, key }).then(() => null, (error: unknown) => error)
    : null;
  // The log has what comes of it in any case.
  const isRenewed = await renew();
  if (fault !== null) throw fault;
  return isRenewed;
}

async function launchSuccessor({ world }: CommandContext, manager: ServiceManager) {
  const file = programFile(world);
  if (file === null) {
    const reason = "this provider runs from source: there is no file to start a successor from";
    throw new KhachapuriError("file_unusable", reason, {
      hints: ["end it and start it again", "from a package it works: deno task package"],
    });
  }
  return await launch({
    file: await checkedProgramFile(file),
    args: [...world.args.filter((word) => word !== TAKE_OVER), TAKE_OVER],
    isWaitedFor: !manager.isThere && world.env("KHACHAPURI_ATTENDANT") === undefined,
  });
}

/** Tells the one that was to be followed why it is not; whether it hears is its own affair. */
export async function tellRefusal(config: Config, thrown: unknown): Promise<void> {
  const { code, shortMessage, hints } = asKhachapuriError(thrown);
  const book = join(resolveFromHome(config, requireProvider(config).stateDir), "book");
  const refusal: Refusal = { code, message: shortMessage, hints };
  await askControl(book, "successor-refused", refusal).catch(() => null);
}

/** A process that another one follows. */
export interface Followed {
  readonly provider: Pick<RunningProvider, "replaced" | "stop">;
  readonly reloads: Reloads;
  readonly environment: ServiceEnvironment;
  readonly manager: ServiceManager;
  readonly stop: AbortSignal;
  /** Whom SIGHUP is for from now on. */
  onHangUp(callback: () => void): void;
}

/**
 * Ends its runs. Where somebody waits for this very process, it stays until all that come after it
 * have ended, and passes signals on to them.
 * @returns our exit code
 */
export async function endFollowed(
  { provider, reloads, environment, manager, stop, onHangUp }: Followed,
): Promise<number> {
  const { successor } = reloads;
  const isAttended = environment.env("KHACHAPURI_ATTENDANT") !== undefined;
  const isWaitedFor = !manager.isThere && !isAttended;
  const passOn = (signal: Deno.Signal) => isWaitedFor && successor?.signal(signal);
  onHangUp(() => passOn("SIGHUP"));
  let isOver = false;
  const end = () => {
    passOn(stop.reason);
    if (!isOver) provider.stop().catch(() => {});
  };
  if (stop.aborted) end();
  else stop.addEventListener("abort", end);
  await provider.replaced;
  isOver = true;
  if (!successor) return 0;
  if (isWaitedFor) return await successor.ended;
  // The manager hears of no end of ours from here on; before it, it has to know who goes on.
  if (manager.isThere) await manager.tell({ MAINPID: String(successor.pid) });
  return await Promise.race([successor.ended, later(0)]);
}

/** Behind what has been settled already. */
function later<T>(value: T): Promise<T> {
  return new Promise((resolve) => setTimeout(() => resolve(value), 0));
}

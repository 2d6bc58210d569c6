/**
 * What the service manager is told: sd_notify(3). Deno sends no datagrams to a unix socket; the
 * native helper does, and stays until the manager has looked whose message it is.
 */
import { helperPath, spawnHelper } from "../../../sandbox/native.ts";
import type { Log } from "../../log.ts";
import type { ServiceEnvironment } from "./service_environment.ts";

/** Variables of sd_notify(3). */
export type Notice = Readonly<
  Partial<Record<"READY" | "RELOADING" | "STOPPING" | "MAINPID" | "STATUS" | "WATCHDOG", string>>
>;

export interface ServiceManager {
  /** Whether there is one. */
  readonly isThere: boolean;
  /** Resolves when it has taken this in; what goes wrong the log says, and nothing fails of it. */
  tell(notice: Notice): Promise<void>;
  /** Tells it from now on that we live, as often as it wants to hear that (WATCHDOG_USEC). */
  keepWatch(): void;
  /** Ends that. */
  close(): void;
}

/** @param log where a manager that cannot be told is told of */
export function openServiceManager(
  { pid, env }: ServiceEnvironment,
  log: Log,
): ServiceManager {
  const socket = env("NOTIFY_SOCKET");
  let watch: ReturnType<typeof setInterval> | undefined;
  // One after another, as the last word counts.
  let told = Promise.resolve();
  const tell = (notice: Notice) =>
    told = socket ? told.then(() => notify(socket, notice, log)) : told;
  return {
    isThere: Boolean(socket),
    tell,
    keepWatch() {
      const everyMs = Number(env("WATCHDOG_USEC") ?? 0) / 1_000 / 2;
      const isOurs = (env("WATCHDOG_PID") ?? String(pid)) === String(pid);
      if (!socket || !isOurs || !(everyMs >= 1) || watch !== undefined) return;
      watch = setInterval(() => void tell({ WATCHDOG: "1" }), everyMs);
      Deno.unrefTimer(watch);
    },
    close: () => clearInterval(watch),
  };
}

async function notify(socket: string, notice: Notice, log: Log): Promise<void> {
  try {
    const lines = Object.entries(notice).map(([name, value]) => `${name}=${oneLine(value)}`);
    const helper = spawnHelper(await helperPath({}), ["notify", ...lines], {
      env: { NOTIFY_SOCKET: socket },
      stdin: "null",
      stdout: "null",
    });
    const { success, stderr } = await helper.output();
    if (!success) throw new Error(new TextDecoder().decode(stderr).trim());
  } catch (error) {
    log.warn("the service manager could not be told", { error });
  }
}

/** A status is one line, and a line ends a variable. */
function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").slice(0, 500);
}

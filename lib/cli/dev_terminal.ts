/** What `dev` tells while it serves: to a person, or as lines of JSON. */
import { printable } from "../client/provider_http.ts";
import type { Log } from "../log.ts";
import type { ClosedTunnel, DevListener, ServedRequest } from "../provider/dev/handle.ts";
import type { DevOptions } from "../provider/dev/server.ts";
import { byLine, keepColours, linesTo } from "./program_lines.ts";

export type DevTerminal = Pick<DevOptions, keyof DevListener | "onBuilt" | "onBlind">;

/** ANSI SGR. */
const STYLES = { dim: 2, red: 31, green: 32, yellow: 33 } as const;
type Style = keyof typeof STYLES;

const BLIND = "changes are not seen any more";
const BLIND_HINT = "does the system watch too few files? see fs.inotify.max_user_watches";

const encoder = new TextEncoder();

/** Lines to a person; a program's own as it writes them, dim where there are colours. */
export function personsTerminal(
  write: (bytes: Uint8Array) => void,
  isColored: boolean,
  sinceStart = () => performance.now(),
): DevTerminal {
  const paint = (style: Style, text: string) =>
    isColored ? `\x1b[${STYLES[style]}m${text}\x1b[0m` : text;
  const print = (text: string) => write(encoder.encode(`${keepColours(text)}\n`));
  const fault = (said: string, hints: readonly string[]) =>
    print([paint("red", said), ...hints.map((hint) => `  ${hint}`)].join("\n"));
  const [begin, end] = isColored ? ["\x1b[2m", "\x1b[0m\n"] : ["", "\n"];
  return {
    onServed: (served) => print(servedLine(served, paint)),
    onTunnelClosed: (closed) => print(closedLine(closed, paint)),
    onUnread: ({ status, shortMessage }) =>
      print(`${timeOf(Date.now())} ${paint("yellow", String(status))}: ${shortMessage}`),
    onRun: () => linesTo(write, begin, end),
    onBuilt: versionWords((text) => print(paint("dim", text)), fault, sinceStart),
    onBlind: ({ message }) => fault(`${BLIND}: ${message}`, [BLIND_HINT]),
  };
}

/** The same as lines of JSON. */
export function jsonTerminal(log: Log, sinceStart = () => performance.now()): DevTerminal {
  const decoder = new TextDecoder();
  const fault = (said: string, hints: readonly string[]) => log.warn(said, { hints });
  return {
    onServed: ({ at: _, ms, ...served }) => log.info("request", { ...served, ms: Math.round(ms) }),
    onTunnelClosed: ({ at: _, ms, ...closed }) =>
      log.info("tunnel closed", { ...closed, ms: Math.round(ms) }),
    onUnread: ({ status, shortMessage }) => log.info("request", { status, reason: shortMessage }),
    onRun: () => byLine((line) => log.info("stderr", { text: keepColours(decoder.decode(line)) })),
    onBuilt: versionWords((text) => log.info(text), fault, sinceStart),
    onBlind: ({ message }) => fault(`${BLIND}: ${message}`, [BLIND_HINT]),
  };
}

function timeOf(at: number): string {
  return new Date(at).toISOString().slice(11, 23);
}

/** When, method, path, status, time, bytes, and what was wrong. */
function servedLine(
  { at, method, target, status, ms, bytes, reason }: ServedRequest,
  paint: (style: Style, text: string) => string,
): string {
  const style = status >= 500 || reason !== null ? "red" : status >= 400 ? "yellow" : "green";
  const facts = [timeOf(at), method, target, paint(style, String(status)), `${Math.round(ms)} ms`];
  return `${facts.join(" ")} ${bytes} B${whyText(reason)}`;
}

/** When it closed, of which request it was, how long it lasted, bytes both ways, and why. */
function closedLine(
  { at, method, target, ms, inBytes, outBytes, reason }: ClosedTunnel,
  paint: (style: Style, text: string) => string,
): string {
  const closed = paint(reason === null ? "green" : "red", "closed");
  const facts = [timeOf(at + ms), method, target, closed, `after ${Math.round(ms)} ms,`];
  return `${facts.join(" ")} ${inBytes} B in, ${outBytes} B out${whyText(reason)}`;
}

function whyText(reason: string | null): string {
  return reason === null ? "" : `: ${printable(reason).replaceAll("\n", " ")}`;
}

/**
 * The first is ready so long after the command was given, ms. The same fault is told once, however
 * often the program is saved with it.
 */
function versionWords(
  tell: (text: string) => void,
  fault: (text: string, hints: readonly string[]) => void,
  sinceStart: () => number,
): DevTerminal["onBuilt"] {
  let said: string | null = null;
  let isFirst = true;
  return (error, ms) => {
    const text = error === null ? null : `cannot run: ${error.shortMessage}`;
    if (text === null) {
      const [done, took] = isFirst ? ["ready", sinceStart()] : ["reloaded", ms];
      tell(`${done} in ${Math.ceil(took)} ms`);
    } else if (text !== said) fault(text, error!.hints);
    said = text;
    isFirst = false;
  };
}

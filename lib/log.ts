/**
 * Structured logs on stderr: one JSON object a line, or a line for a person on a terminal. Bodies,
 * headers, environment and keys are never passed in. In case one is, a field whose name speaks of a
 * secret is withheld, and of URLs nothing but scheme and host is written.
 */
import { KhachapuriError } from "./errors.ts";
import type { FloodGuard } from "./flood_guard.ts";
import { LOG_TEXT_CHARACTERS_MAX } from "./limits_of_logs.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";

/** Facts beside the message. An Error is reduced to its code and message. */
export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** The same log with these fields on every line. */
  with(fields: LogFields): Log;
}

export interface LogOptions {
  /** Takes one whole line, newline included. */
  write(line: string): void;
  /** Short lines for a person instead of JSON. */
  isTerminal: boolean;
  /** Lines below it are dropped; default "info". */
  level?: LogLevel;
  /** Milliseconds since the epoch. */
  now?: () => number;
  /** Keeps one message from filling the log; "debug" lines are written all the same. */
  guard?: FloodGuard;
}

const ORDER: readonly LogLevel[] = ["debug", "info", "warn", "error"];
const SECRET_NAME =
  /secret|token|password|authorization|cookie|signature|permit|identit|key$|^env$|headers?$/i;
const WITHHELD = "[withheld]";

/** Opens a log. */
export function createLog(options: LogOptions): Log {
  return logWith(options, {});
}

/** A log that drops everything, for tests and for commands that run a part without its log. */
export const silentLog: Log = createLog({ write: () => {}, isTerminal: false });

function logWith(options: LogOptions, always: LogFields): Log {
  const lowest = ORDER.indexOf(options.level ?? "info");
  const at = (level: LogLevel) => (message: string, fields: LogFields = {}) => {
    if (ORDER.indexOf(level) < lowest) return;
    const tell = (suppressed: number) => write(level, message, { suppressed });
    if (level !== "debug" && options.guard?.admits(message, tell) === false) return;
    write(level, message, fields);
  };
  const write = (level: LogLevel, message: string, fields: LogFields) => {
    const time = new Date((options.now ?? Date.now)()).toISOString();
    const facts = safeFields({ ...always, ...fields });
    options.write(
      options.isTerminal
        ? terminalLine(time, level, message, facts)
        : `${JSON.stringify({ time, level, message, ...facts })}\n`,
    );
  };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    with: (fields) => logWith(options, { ...always, ...fields }),
  };
}

function terminalLine(time: string, level: LogLevel, message: string, facts: LogFields): string {
  const pairs = Object.entries(facts).map(([name, value]) => ` ${name}=${bare(value)}`);
  // JSON's quoting keeps foreign text from moving the cursor or starting a line of its own.
  return `${time.slice(11, 23)} ${level.padEnd(5)} ${bare(message)}${pairs.join("")}\n`;
}

function bare(value: unknown): string {
  const isPlain = typeof value === "string" && /^[\x20\x21\x23-\x7e]*$/.test(value);
  return isPlain ? value : JSON.stringify(value) ?? "undefined";
}

function safeFields(fields: LogFields): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, isSecretName(name) ? WITHHELD : safeValue(value)]),
  );
}

function safeValue(value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (typeof value === "string") return safeText(value);
  if (value instanceof URL) return safeText(value.href);
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (value instanceof Error) return errorFields(value);
  if (Array.isArray(value)) return value.map(safeValue);
  if (typeof value === "object" && value !== null) return safeFields(value as LogFields);
  return value;
}

function errorFields(error: Error): Record<string, unknown> {
  const code = error instanceof KhachapuriError ? error.code : error.name;
  // One cause deep: enough to know what failed beneath, without a library's whole chain.
  const cause = error.cause instanceof Error
    ? { cause: safeText(error.cause.message.split("\n")[0]!) }
    : {};
  return { code, message: safeText(error.message), ...cause };
}

/** Whether what has this name may be a secret. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

function safeText(long: string): string {
  const text = long.length > LOG_TEXT_CHARACTERS_MAX
    ? `${long.slice(0, LOG_TEXT_CHARACTERS_MAX)}…`
    : long;
  return withoutUrlSecrets(text);
}

/** Credentials, queries and, with RPC endpoints, paths of URLs hold API keys. */
export function withoutUrlSecrets(text: string): string {
  return text
    .replace(/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@?#]*@/gi, "$1")
    .replace(/(\b(?:https?|wss?):\/\/[^\s/?#"]*)[/?#][^\s"]+/gi, "$1/…");
}

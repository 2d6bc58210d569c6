/** Flags that were not given now, but before, or elsewhere. */
import { resolve } from "node:path";
import type { NotedFlags } from "../client/deployments_file.ts";
import type { Option, OptionTable } from "./command.ts";
import { isJsonText } from "./public_flags.ts";
import { SERVER_OPTIONS } from "./server_flags.ts";

/** Flags by their names, as a command gets them; absent: undefined, false or no elements. */
type Flags = Readonly<Record<string, unknown>>;

/**
 * `options` with those of `layer` that it lacks and its command takes. A list is taken whole, or
 * not at all; a server's flags only for the same interface.
 */
export function filledFrom<Options extends object>(
  table: OptionTable,
  options: Options,
  layer: NotedFlags,
): Options {
  const given = options as Flags;
  const isOtherKind = isGiven(given.interface) && given.interface !== layer.interface;
  const lacking = Object.keys(given).filter((flag) =>
    !isGiven(given[flag]) && Object.hasOwn(layer, flag) && Object.hasOwn(table, flag) &&
    isValueOf(table[flag]!, layer[flag]!) && !(isOtherKind && Object.hasOwn(SERVER_OPTIONS, flag))
  );
  return { ...options, ...Object.fromEntries(lacking.map((flag) => [flag, layer[flag]])) };
}

function isGiven(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;
}

/** An earlier release may have known a flag by another kind of value. */
function isValueOf(option: Option, value: NotedFlags[string]): boolean {
  if (option.type === "boolean") return value === true;
  return option.multiple ? Array.isArray(value) : typeof value === "string";
}

/** What is said anew each time, or holds secrets. */
const NOT_NOTED = new Set(["env", "accept-terms", "out"]);

/**
 * What is kept of flags, so that the same can be deployed again: of the environment the names, and
 * where its file is.
 */
export function notedFlags(table: OptionTable, options: object): NotedFlags {
  const given = options as Flags;
  const noted = Object.keys(table)
    .filter((flag) => !NOT_NOTED.has(flag) && isGiven(given[flag]))
    .map((flag) => [flag, notedValue(table[flag]!, given[flag] as NotedFlags[string])]);
  const names = [...given["env-name"] as string[], ...(given.env as string[]).map(nameOf)];
  return {
    ...Object.fromEntries(noted),
    ...(names.length === 0 ? {} : { "env-name": [...new Set(names)] }),
  };
}

/** The working folder is another one next time. */
function notedValue(option: Option, value: NotedFlags[string]): NotedFlags[string] {
  if (option.type !== "string" || option.value !== "FILE" || typeof value !== "string") {
    return value;
  }
  return option.json && isJsonText(value) ? value : resolve(value);
}

function nameOf(assignment: string): string {
  return assignment.slice(0, assignment.indexOf("="));
}

/**
 * The flags that `options` has beyond `known`, as they would be typed. What stands in an object is
 * not repeated, but said to be a folder's own.
 */
export function flagsText(table: OptionTable, options: object, known: object): string {
  const [given, before] = [options as Flags, known as Flags];
  return Object.keys(table)
    .filter((flag) => isGiven(given[flag]) && !isGiven(before[flag]))
    .map((flag) => {
      const value = given[flag] as NotedFlags[string];
      const option = table[flag]!;
      return option.type === "string" && option.json && [value].flat().some(isObjectText)
        ? `--${flag} (its own)`
        : typed(flag, value);
    })
    .join(" ");
}

function isObjectText(value: string | true): boolean {
  return value !== true && isJsonText(value);
}

function typed(flag: string, value: NotedFlags[string]): string {
  if (value === true) return `--${flag}`;
  if (Array.isArray(value)) return value.map((each) => typed(flag, each)).join(" ");
  return `--${flag}${value.startsWith("-") ? "=" : " "}${quoted(value)}`;
}

/** For a shell, where it needs it. */
function quoted(text: string): string {
  return /^[\w./:@,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

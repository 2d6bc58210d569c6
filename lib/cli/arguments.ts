/** argv → checked flags and positionals, by node:util parseArgs and a command's own table. */
import { parseArgs } from "node:util";
import { KhachapuriError } from "../errors.ts";
import type { Arguments, Command, CommonFlags, Option, OptionTable } from "./command.ts";
import { suggestionHints } from "./suggest.ts";

/** Flags of every command. */
export const COMMON_OPTIONS = {
  home: {
    type: "string",
    value: "DIR",
    description: "configuration, keys and state (KHACHAPURI_HOME, default ~/.khachapuri)",
  },
  json: { type: "boolean", description: "print one JSON document" },
  rpc: {
    type: "string",
    value: "URL",
    multiple: true,
    description: "JSON-RPC endpoint of the chain; repeat for several, two must agree",
  },
  gateway: {
    type: "string",
    value: "URL",
    multiple: true,
    description: "trustless IPFS gateway; repeat for several, asked in order",
  },
  kubo: { type: "string", value: "URL", description: "Kubo RPC endpoint to publish through" },
  escrow: { type: "string", value: "ADDRESS", description: "trust this escrow contract" },
  registry: { type: "string", value: "ADDRESS", description: "look names up in this registry" },
  keys: { type: "string", value: "FILE", description: "key file (default <home>/keys.json)" },
  help: { type: "boolean", short: "h", description: "show this help" },
} as const satisfies OptionTable;

/** Every flag that `command` takes. */
export function optionsOf(command: Pick<Command, "options">): OptionTable {
  return { ...COMMON_OPTIONS, ...command.options };
}

/**
 * Whether the arguments ask for a JSON document. curl has a flag `--json` of its own, with data:
 * among curl's flags ours is the one that no data follows.
 */
export function asksJson(
  command: Pick<Command, "rawArgs" | "options">,
  argv: readonly string[],
): boolean {
  if (!command.rawArgs) return argv.includes("--json");
  const { ours, isJsonLate } = splitRaw(optionsOf(command), argv);
  return isJsonLate || ours.includes("--json");
}

export interface ParsedArguments {
  common: CommonFlags;
  isHelp: boolean;
  args: Arguments<OptionTable>;
}

type Values = Map<string, string[] | true>;

/**
 * Checks a command's arguments.
 * @param name the command's name, for messages
 * @throws KhachapuriError `usage` for an unknown flag, a missing or repeated value, or the wrong
 *   number of positionals
 */
export function parseArguments(
  name: string,
  command: Command,
  argv: readonly string[],
): ParsedArguments {
  const table = optionsOf(command);
  const { ours, raw, isJsonLate } = command.rawArgs
    ? splitRaw(table, argv)
    : { ours: argv, raw: [], isJsonLate: false };
  const { values, positionals } = tokenize(name, table, ours);
  if (isJsonLate) values.set("json", true);
  const isHelp = values.has("help") || raw.some((text, index) => isHelpFlag(raw, text, index));
  const options: Record<string, unknown> = {};
  for (const [key, option] of Object.entries(command.options)) {
    options[key] = valueOf(name, key, option, values, isHelp);
  }
  if (!isHelp && !command.rawArgs) checkCount(name, command, positionals);
  if (!isHelp && command.rawArgs) checkRaw(name, command, table, raw);
  return {
    common: commonFlags(values),
    isHelp,
    args: {
      options: options as Arguments<OptionTable>["options"],
      positionals,
      raw,
    },
  };
}

/**
 * The arguments of a command that takes curl's flags, too. Ours lead; only `--json` may also stand
 * among curl's, where no data of curl's follows it.
 */
function splitRaw(table: OptionTable, argv: readonly string[]) {
  const cut = leadingFlags(table, argv);
  const raw = argv.slice(cut);
  const at = raw.findIndex((text, index) =>
    text === "--json" && !isBehindShort(raw, index) && !/^[^-]|^-$/.test(raw[index + 1] ?? "--")
  );
  const isJsonLate = at >= 0;
  return { ours: argv.slice(0, cut), raw: isJsonLate ? raw.toSpliced(at, 1) : raw, isJsonLate };
}

/** What curl's `--json` takes, and what is no target of ours: JSON, or `@` and a file. */
const JSON_DATA = /^[@{["]/;

/** How many arguments at the front are our flags with their values. */
function leadingFlags(table: OptionTable, argv: readonly string[]): number {
  let index = 0;
  while (index < argv.length) {
    const [, key, value] = /^--([^=]+)(=.*)?$/s.exec(argv[index]!) ?? [];
    const option = argv[index] === "-h" ? table.help : ownOf(table, key ?? "");
    if (!option || (key === "json" && JSON_DATA.test(argv[index + 1] ?? ""))) return index;
    index += option.type === "boolean" || value !== undefined ? 1 : 2;
  }
  return argv.length;
}

/** Whether curl could take this argument for the value of a flag such as `-d`. */
function isBehindShort(raw: readonly string[], index: number): boolean {
  return /^-[^-]*[AbcdeFHmoTuwX]$/.test(raw[index - 1] ?? "");
}

function isHelpFlag(raw: readonly string[], text: string, index: number): boolean {
  return (text === "--help" || text === "-h") && !isBehindShort(raw, index);
}

function ownOf(table: OptionTable, key: string): Option | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

function tokenize(name: string, table: OptionTable, argv: readonly string[]) {
  const { tokens } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(
      Object.entries(table).map((
        [key, { type, short }],
      ) => [key, short ? { type, short } : { type }]),
    ),
    strict: false,
    tokens: true,
  });
  const values: Values = new Map();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const option = ownOf(table, token.name);
    if (!option) throw unknownFlag(name, table, token.rawName);
    addValue(name, values, option, token);
  }
  return { values, positionals };
}

function addValue(
  name: string,
  values: Values,
  option: Option,
  token: {
    name: string;
    rawName: string;
    value: string | undefined;
    inlineValue: boolean | undefined;
  },
): void {
  const { rawName, value } = token;
  if (option.type === "boolean") {
    if (value !== undefined) throw usageError(name, `${rawName} takes no value`);
    values.set(token.name, true);
    return;
  }
  if (value === undefined) throw usageError(name, `${rawName} needs a value: ${option.value}`);
  if (!token.inlineValue && value.startsWith("-") && value.length > 1) {
    throw usageError(name, `${rawName} needs a value; write ${rawName}=${value} if you mean that`);
  }
  const earlier = values.get(token.name);
  if (earlier !== undefined && !option.multiple) {
    throw usageError(name, `${rawName} is given twice`);
  }
  values.set(token.name, [...(Array.isArray(earlier) ? earlier : []), value]);
}

function valueOf(name: string, key: string, option: Option, values: Values, isHelp: boolean) {
  const given = values.get(key);
  if (option.type === "boolean") return given === true;
  const list = Array.isArray(given) ? given : [];
  if (option.required && list.length === 0 && !isHelp) {
    throw usageError(name, `--${key} ${option.value} is missing`);
  }
  return option.multiple ? list : list[0];
}

function commonFlags(values: Values): CommonFlags {
  const text = (key: string) => {
    const given = values.get(key);
    return Array.isArray(given) ? { [key]: given[0] } : {};
  };
  const list = (key: string) => {
    const given = values.get(key);
    return Array.isArray(given) ? given : [];
  };
  return {
    json: values.has("json"),
    rpc: list("rpc"),
    gateway: list("gateway"),
    ...text("home"),
    ...text("kubo"),
    ...text("escrow"),
    ...text("registry"),
    ...text("keys"),
  };
}

/** @throws KhachapuriError `usage` for a flag in place of a folder first: it is a slip of ours */
function checkRaw(name: string, command: Command, table: OptionTable, raw: readonly string[]) {
  const [first] = raw;
  if (command.isFolderFirst && first?.startsWith("-")) throw unknownFlag(name, table, first);
  checkOursFirst(name, table, raw);
}

/**
 * Refuses one of our flags among curl's, where a flag of curl's could take it for its value. Right
 * behind a short one (`-d --pay`) that may be meant, and it is left alone.
 */
function checkOursFirst(name: string, table: OptionTable, raw: readonly string[]): void {
  const late = raw.find((text, index) => {
    const [, key] = /^--([^=]+)/.exec(text) ?? [];
    const isOurs = key !== undefined && key !== "json" && Object.hasOwn(table, key);
    return isOurs && !isBehindShort(raw, index);
  });
  if (late === undefined) return;
  throw usageError(name, `${late} is a flag of ours: those come first, curl's own after them`);
}

function checkCount(name: string, command: Command, positionals: readonly string[]): void {
  const { min, max } = command.positionals ?? { min: 0, max: 0 };
  if (positionals.length < min) throw missingArgument(name, command);
  if (positionals.length > max) {
    throw usageError(name, `unexpected argument "${positionals[max]}"`);
  }
}

/** A `usage` error that shows which arguments there are. */
export function missingArgument(name: string, { usage }: Pick<Command, "usage">): KhachapuriError {
  return new KhachapuriError("usage", `${name}: an argument is missing`, {
    hints: [`usage: khachapuri ${name} ${usage}`, `see khachapuri ${name} --help`],
  });
}

/** A `usage` error for a flag that nobody knows, with the nearest one that is known. */
export function unknownFlag(name: string, table: OptionTable, rawName: string): KhachapuriError {
  const known = Object.keys(table).map((key) => `--${key}`);
  // --port is --server-port, which is too long to be a slip of it.
  const whole = known.find((flag) => flag.endsWith(rawName.replace(/^-+/, "-")));
  return new KhachapuriError("usage", `${name}: unknown flag ${rawName}`, {
    hints: suggestionHints(whole ?? rawName, known, `see khachapuri ${name} --help`),
  });
}

/** A `usage` error that points at the command's help. */
export function usageError(name: string, message: string): KhachapuriError {
  return new KhachapuriError("usage", `${name}: ${message}`, {
    hints: [`see khachapuri ${name} --help`],
  });
}

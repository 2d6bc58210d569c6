/**
 * `khachapuri.json` beside a program: flags of `deploy` that are the same each time, by their names
 * in camelCase. Programs are published and their folders shared, so no secret stands in it, and
 * nothing that whoever deploys must say itself.
 */
import { join, resolve } from "node:path";
import * as v from "valibot";
import type { NotedFlags } from "../client/deployments_file.ts";
import { KhachapuriError } from "../errors.ts";
import { readJsonFile } from "../home_file.ts";
import { parseShape } from "../shape.ts";
import { quotedWord } from "../shell_word.ts";
import { FLAGS_FILE } from "../spec/program_listing.ts";
import type { CommandContext, Option } from "./command.ts";
import { OPTIONS } from "./deploy_flags.ts";
import { filledFrom, flagsText } from "./flag_layers.ts";
import { suggestionHints } from "./suggest.ts";

/** Flags that may be repeated have the names of lists there. */
const LISTS: Readonly<Record<string, string>> = {
  provider: "providers",
  arg: "args",
  "env-name": "envNames",
};

/** What does not stand in it, and why. */
const REFUSED: Readonly<Record<string, string>> = {
  env: "values of the environment are secrets, and stand in no file that is shared: " +
    "name one that is not with envFile, and what it must hold with envNames",
  acceptTerms: "terms are agreed to by whoever deploys: give --accept-terms, or answer",
  out: "where CAR files go is for whoever deploys to say: give --out DIR",
};

/** Each flag by the name of its field. */
const FIELDS: ReadonlyMap<string, readonly [flag: string, option: Option]> = new Map(
  Object.entries(OPTIONS as Readonly<Record<string, Option>>)
    .map(([flag, option]) => [fieldOf(flag), [flag, option]] as const)
    .filter(([field]) => !Object.hasOwn(REFUSED, field)),
);

function fieldOf(flag: string): string {
  return LISTS[flag] ?? flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** What may stand in a field. */
type FieldValue = string | number | boolean | readonly string[] | Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const fileShape = v.strictObject(
  Object.fromEntries(
    [...FIELDS].map(([field, [, option]]) => [field, v.exactOptional(valueShape(option))]),
  ),
);

function valueShape(option: Option): v.GenericSchema<FieldValue> {
  if (option.type === "boolean") return v.boolean("it is true or false");
  const shape = textShape(option);
  if (!option.json) return shape;
  return v.lazy((value) => isObject(value) ? v.looseObject({}) : shape);
}

function textShape(option: Option & { type: "string" }) {
  if (option.multiple) return v.array(v.string("not a text"), ({ input }) => listFault(input));
  if (option.choices) {
    return v.picklist(option.choices, `it is one of ${option.choices.join(", ")}`);
  }
  return v.union([v.string(), v.number()], "not a text or a number");
}

/** Who has one of them writes it without its brackets. */
function listFault(input: unknown): string {
  return typeof input === "string" ? `not a list, e.g. ${JSON.stringify([input])}` : "not a list";
}

/**
 * The flags that a program's folder gives; none where there is no such file.
 * @throws KhachapuriError `invalid_config` that names the file and the field; `invalid_program`
 *   where `dir` is a file
 */
export async function readProgramFile(dir: string): Promise<NotedFlags> {
  await assertNoFile(dir);
  const path = join(dir, FLAGS_FILE);
  const json = await readJsonFile(path);
  if (json === undefined) return {};
  assertKnown(json, path);
  const fields = parseShape(fileShape, json, path, "invalid_config");
  return Object.fromEntries(
    Object.entries(fields).flatMap(([field, value]) => {
      const [flag, option] = FIELDS.get(field)!;
      return value === false || value === undefined ? [] : [[flag, flagValue(option, value, dir)]];
    }),
  );
}

/** Who has one script, or a zip, gives that: it is told so, and how that becomes a program. */
async function assertNoFile(dir: string): Promise<void> {
  const isFile = await Deno.stat(dir).then((info) => info.isFile, () => false);
  if (!isFile) return;
  const path = quotedWord(dir);
  const bare = dir.replace(/([^/])\.[^./]*$/, "$1");
  const folder = quotedWord(bare === dir ? `${dir}-program` : bare);
  const making = /\.zip$/i.test(dir)
    ? `unzip ${path} -d ${folder}`
    : `mkdir ${folder} && cp ${path} ${folder}/main && chmod +x ${folder}/main`;
  const message = `${dir} is a file, and a program is a folder with an executable main in it`;
  throw new KhachapuriError("invalid_program", message, {
    hints: [`${making}, and give ${folder} in its place`],
  });
}

function assertKnown(json: unknown, path: string): void {
  if (typeof json !== "object" || json === null) return;
  const field = Object.keys(json).find((each) => !FIELDS.has(each));
  if (field === undefined || Array.isArray(json)) return;
  const why = Object.hasOwn(REFUSED, field) ? REFUSED[field] : undefined;
  if (why !== undefined) throw new KhachapuriError("invalid_config", `${path}: ${field}: ${why}`);
  throw new KhachapuriError("invalid_config", `${path}: unknown field ${field}`, {
    hints: suggestionHints(
      field,
      FIELDS.keys(),
      "its fields are the flags of khachapuri deploy --help, in camelCase",
    ),
  });
}

/** As the command line would have it; files are named from the folder. */
function flagValue(option: Option, value: FieldValue, dir: string): NotedFlags[string] {
  if (value === true || typeof value === "boolean") return true;
  if (isObject(value)) return isList(option) ? [JSON.stringify(value)] : JSON.stringify(value);
  if (typeof value === "object") return [...value];
  const isFile = option.type === "string" && option.value === "FILE";
  return isFile ? resolve(dir, String(value)) : String(value);
}

function isList(option: Option): boolean {
  return option.type === "string" && option.multiple === true;
}

/**
 * The flags of a command line, and beside them those of the program's folder; where both say one,
 * the command line does.
 * @param options of any command that takes flags of `deploy`
 * @throws KhachapuriError as `readProgramFile`
 */
export async function withFileFlags<Options extends object>(
  dir: string,
  options: Options,
): Promise<Options> {
  return filledFrom(OPTIONS, options, await readProgramFile(dir));
}

/** The same for a deployment: what a folder says is signed, so it is told. */
export async function withToldFileFlags<Options extends object>(
  { out }: Pick<CommandContext, "out">,
  dir: string,
  options: Options,
): Promise<Options> {
  const filled = await withFileFlags(dir, options);
  const taken = flagsText(OPTIONS, filled, options);
  if (taken !== "") out.note(`from ${FLAGS_FILE}: ${taken}`);
  return filled;
}

/** @throws KhachapuriError `usage` where neither names a provider */
export function assertProvided(providers: readonly string[]): void {
  if (providers.length > 0) return;
  throw new KhachapuriError("usage", "deploy: --provider NAME is missing", {
    hints: [`or "providers": ["NAME"] in ${FLAGS_FILE}, in the program's folder`],
  });
}

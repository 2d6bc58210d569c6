/**
 * curl's own flags, for the commands that take them (`run DIR`, `call NAME/CID`), with curl's
 * meaning. What can't have it here is refused by name instead of being ignored.
 */
import { commandOf, type CurlCommand } from "./curl_command.ts";
import { ALIASES, knownOptions, SWITCH_OPTIONS, VALUE_OPTIONS } from "./curl_options.ts";
import { refusedOption } from "./curl_refused.ts";
import { type CurlInputs, CurlState, usage } from "./curl_state.ts";

const SHORT: ReadonlyMap<string, string> = new Map(
  [...Object.entries(VALUE_OPTIONS), ...Object.entries(SWITCH_OPTIONS)].flatMap(
    ([name, { short }]) => short ? [[short, name] as const] : [],
  ),
);

/**
 * Parses curl's arguments.
 * @throws KhachapuriError `usage` that names the flag, or when there is not exactly one target;
 *   what `inputs` throws
 */
export async function parseCurlFlags(
  argv: readonly string[],
  inputs: CurlInputs,
): Promise<CurlCommand> {
  const state = new CurlState(inputs);
  const rest = [...argv];
  while (rest.length > 0) {
    const argument = rest.shift()!;
    if (argument === "--") state.targets.push(...rest.splice(0));
    else if (argument.startsWith("--")) await takeLong(state, argument, rest);
    else if (argument.startsWith("-")) await takeShorts(state, argument, rest);
    else state.targets.push(argument);
  }
  return commandOf(state);
}

async function takeLong(state: CurlState, argument: string, rest: string[]): Promise<void> {
  const written = argument.slice(2);
  const isOff = written.startsWith("no-");
  const bare = isOff ? written.slice(3) : written;
  const name = Object.hasOwn(ALIASES, bare) ? ALIASES[bare]! : bare;
  if (Object.hasOwn(SWITCH_OPTIONS, name)) {
    if (isOff) state.switches.delete(name);
    else state.switches.add(name);
  } else if (Object.hasOwn(VALUE_OPTIONS, name) && !isOff) {
    const value = rest.shift() ?? missingValue(argument);
    await VALUE_OPTIONS[name]!.take(state, value, argument);
  } else throw unknown(argument);
}

/** `-sSXPOST`: flags without a value may be joined, and the last may have its value glued on. */
async function takeShorts(state: CurlState, argument: string, rest: string[]): Promise<void> {
  if (argument === "-") throw usage("a lone - is no URL", ["-d @- and -T - read stdin"]);
  for (let index = 1; index < argument.length; index++) {
    const flag = `-${argument[index]!}`;
    const name = SHORT.get(argument[index]!) ?? unknownShort(flag);
    if (Object.hasOwn(SWITCH_OPTIONS, name)) {
      state.switches.add(name);
      continue;
    }
    const glued = argument.slice(index + 1);
    const value = glued === "" ? rest.shift() ?? missingValue(flag) : glued;
    return await VALUE_OPTIONS[name]!.take(state, value, flag);
  }
}

/** `--name=value` is nothing that curl takes. */
function unknown(argument: string): Error {
  const [, flag] = /^(--[a-z0-9-]+)=/.exec(argument) ?? [];
  if (flag && Object.hasOwn(VALUE_OPTIONS, flag.slice(2))) {
    return usage(`curl's ${flag} takes its value as the next argument`, [`${flag} VALUE`]);
  }
  return refusedOption(argument, knownOptions());
}

function unknownShort(flag: string): never {
  throw refusedOption(flag, knownOptions());
}

function missingValue(flag: string): never {
  throw usage(`${flag} needs a value`);
}

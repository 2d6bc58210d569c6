/**
 * curl's own flags, for the commands that take them (`run DIR`, `call NAME/CID`): the ones that
 * shape a request or choose what is printed, with curl's meaning. What would have no effect here
 * is refused by name instead of being ignored.
 */
import { KhachapuriError } from "../errors.ts";
import { joinData, urlencodedData } from "./curl_data.ts";

/** A curl command line, parsed. */
export interface CurlCommand {
  /** URL or path as given; with -G the data is already in its query. */
  target: string;
  method: string;
  /** In the order given, curl's defaults last; names as written. */
  headers: readonly (readonly [name: string, value: string])[];
  body: Uint8Array<ArrayBuffer> | null;
  /** What goes to the output: the body, head and body (-i), or the head alone (-I). */
  show: "body" | "head and body" | "head";
  /** -o FILE; null is stdout. */
  output: string | null;
  /** -s without -S: no message about a failure. */
  isSilent: boolean;
  /** -v: the request and the response head on stderr. */
  isVerbose: boolean;
  /** -f: a status of 400 or more is a failure and prints nothing. */
  isFailing: boolean;
  /** -m SECONDS in ms; null when not given. */
  maxTimeMs: number | null;
}

/** Where `@file` and `@-` come from. */
export interface CurlInputs {
  file(path: string): Promise<Uint8Array>;
  stdin(): Promise<Uint8Array>;
}

interface State {
  targets: string[];
  method: string | null;
  headers: [string, string][];
  /** Names that `-H 'name:'` takes out of the defaults. */
  removed: Set<string>;
  defaults: Map<string, string>;
  data: Uint8Array[];
  upload: Uint8Array | null;
  isJson: boolean;
  isGet: boolean;
  isHead: boolean;
  isInclude: boolean;
  output: string | null;
  isSilent: boolean;
  isShowError: boolean;
  isVerbose: boolean;
  isFailing: boolean;
  maxTimeMs: number | null;
}

interface Flag {
  short?: string;
  /** Present for flags with a value. */
  take?: (state: State, value: string, inputs: CurlInputs) => void | Promise<void>;
  set?: (state: State) => void;
}

const FORM = "application/x-www-form-urlencoded";
const JSON_TYPE = "application/json";
const encoder = new TextEncoder();

const addData = (state: State, bytes: Uint8Array) => {
  state.data.push(bytes);
};

const FLAGS: Readonly<Record<string, Flag>> = {
  request: { short: "X", take: (state, value) => void (state.method = checkedMethod(value)) },
  header: { short: "H", take: takeHeader },
  data: {
    short: "d",
    take: async (state, value, inputs) =>
      addData(state, value[0] === "@" ? withoutLineEnds(await read(value, inputs)) : text(value)),
  },
  "data-raw": { take: (state, value) => addData(state, text(value)) },
  "data-binary": {
    take: async (state, value, inputs) =>
      addData(state, value[0] === "@" ? await read(value, inputs) : text(value)),
  },
  "data-urlencode": {
    take: async (state, value, inputs) =>
      addData(state, text(await urlencodedData(value, (from) => read(from, inputs)))),
  },
  json: {
    take: async (state, value, inputs) => {
      state.isJson = true;
      addData(state, value[0] === "@" ? await read(value, inputs) : text(value));
    },
  },
  "upload-file": {
    short: "T",
    take: async (state, value, inputs) => void (state.upload = await read(`@${value}`, inputs)),
  },
  get: { short: "G", set: (state) => void (state.isGet = true) },
  head: { short: "I", set: (state) => void (state.isHead = true) },
  include: { short: "i", set: (state) => void (state.isInclude = true) },
  "show-headers": { set: (state) => void (state.isInclude = true) },
  output: { short: "o", take: (state, value) => void (state.output = value) },
  silent: { short: "s", set: (state) => void (state.isSilent = true) },
  "show-error": { short: "S", set: (state) => void (state.isShowError = true) },
  verbose: { short: "v", set: (state) => void (state.isVerbose = true) },
  fail: { short: "f", set: (state) => void (state.isFailing = true) },
  "user-agent": { short: "A", take: (state, value) => setDefault(state, "User-Agent", value) },
  referer: { short: "e", take: (state, value) => setDefault(state, "Referer", value) },
  cookie: { short: "b", take: takeCookie },
  user: {
    short: "u",
    take: (state, value) =>
      setDefault(state, "Authorization", `Basic ${encoder.encode(value).toBase64()}`),
  },
  "max-time": { short: "m", take: takeMaxTime },
  url: { take: (state, value) => void state.targets.push(value) },
  // What these flags ask for always holds here: no config file, globbing, buffering or meter.
  disable: { short: "q", set: () => {} },
  globoff: { short: "g", set: () => {} },
  "no-buffer": { short: "N", set: () => {} },
  "no-progress-meter": { set: () => {} },
};

const ALIASES: Readonly<Record<string, string>> = { "data-ascii": "data" };

const SHORT: ReadonlyMap<string, Flag> = new Map(
  Object.values(FLAGS).flatMap((flag) => flag.short ? [[flag.short, flag]] : []),
);

/**
 * Parses curl's arguments.
 * @throws KhachapuriError `usage` that names the flag, or when there is not exactly one target;
 *   `not_found` for a file that is not there
 */
export async function parseCurlFlags(
  argv: readonly string[],
  inputs: CurlInputs,
): Promise<CurlCommand> {
  const state = initialState();
  const rest = [...argv];
  while (rest.length > 0) {
    const argument = rest.shift()!;
    if (argument === "--") state.targets.push(...rest.splice(0));
    else if (argument.startsWith("--")) await takeLong(state, argument, rest, inputs);
    else if (argument.startsWith("-") && argument !== "-") {
      await takeShorts(state, argument, rest, inputs);
    } else state.targets.push(argument);
  }
  return commandOf(state);
}

function initialState(): State {
  return {
    targets: [],
    method: null,
    headers: [],
    removed: new Set(),
    defaults: new Map([["Accept", "*/*"], ["User-Agent", "khachapuri"]]),
    data: [],
    upload: null,
    isJson: false,
    isGet: false,
    isHead: false,
    isInclude: false,
    output: null,
    isSilent: false,
    isShowError: false,
    isVerbose: false,
    isFailing: false,
    maxTimeMs: null,
  };
}

async function takeLong(
  state: State,
  argument: string,
  rest: string[],
  inputs: CurlInputs,
): Promise<void> {
  const name = ALIASES[argument.slice(2)] ?? argument.slice(2);
  const flag = Object.hasOwn(FLAGS, name) ? FLAGS[name]! : unknownFlag(argument);
  if (!flag.take) return flag.set!(state);
  await flag.take(state, rest.shift() ?? missingValue(argument), inputs);
}

/** `-sSXPOST`: flags without a value may be joined, and the last may have its value glued on. */
async function takeShorts(
  state: State,
  argument: string,
  rest: string[],
  inputs: CurlInputs,
): Promise<void> {
  for (let index = 1; index < argument.length; index++) {
    const letter = argument[index]!;
    const flag = SHORT.get(letter) ?? unknownFlag(`-${letter}`);
    if (!flag.take) {
      flag.set!(state);
      continue;
    }
    const glued = argument.slice(index + 1);
    const value = glued === "" ? rest.shift() ?? missingValue(`-${letter}`) : glued;
    return await flag.take(state, value, inputs);
  }
}

function commandOf(state: State): CurlCommand {
  const [target, ...others] = state.targets;
  if (target === undefined) throw usage("no URL or path given");
  if (others.length > 0) throw usage(`one URL or path at a time, not also ${others[0]}`);
  const data = state.data.length === 0 ? null : joinData(state.data, !state.isJson);
  if (state.isHead && data && !state.isGet) throw usage("-I and a body exclude each other");
  const body = state.isGet ? null : state.upload ?? data;
  return {
    target: state.isGet && data ? withQuery(target, new TextDecoder().decode(data)) : target,
    method: methodOf(state, data),
    headers: headersOf(state, data),
    body: body && new Uint8Array(body),
    show: state.isHead ? "head" : state.isInclude ? "head and body" : "body",
    output: state.output === "-" ? null : state.output,
    isSilent: state.isSilent && !state.isShowError,
    isVerbose: state.isVerbose,
    isFailing: state.isFailing,
    maxTimeMs: state.maxTimeMs,
  };
}

function methodOf(state: State, data: Uint8Array | null): string {
  if (state.method !== null) return state.method;
  if (state.isHead) return "HEAD";
  if (state.upload) return "PUT";
  return data && !state.isGet ? "POST" : "GET";
}

function headersOf(state: State, data: Uint8Array | null): [string, string][] {
  const defaults = new Map(state.defaults);
  if (data && !state.isGet) {
    defaults.set("Content-Type", state.isJson ? JSON_TYPE : FORM);
    if (state.isJson) defaults.set("Accept", JSON_TYPE);
  }
  const given = new Set(state.headers.map(([name]) => name.toLowerCase()));
  const added = [...defaults].filter(([name]) => {
    const folded = name.toLowerCase();
    return !given.has(folded) && !state.removed.has(folded);
  });
  return [...state.headers, ...added];
}

function withQuery(target: string, query: string): string {
  return `${target}${target.includes("?") ? "&" : "?"}${query}`;
}

/** `name: value`, `name:` (leave the default out), `name;` (send it empty), `@file`. */
async function takeHeader(state: State, value: string, inputs: CurlInputs): Promise<void> {
  if (value[0] === "@") {
    const lines = new TextDecoder().decode(await read(value, inputs)).split(/\r?\n/);
    for (const line of lines) if (line !== "") addHeader(state, line);
    return;
  }
  addHeader(state, value);
}

function addHeader(state: State, line: string): void {
  const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:(;)|:[ \t]*([^\r\n\0]*?)[ \t]*)$/.exec(line);
  if (!match) throw usage(`-H takes 'name: value', not ${JSON.stringify(line)}`);
  const [, name, empty, value] = match;
  if (empty) state.headers.push([name!, ""]);
  else if (value === "") state.removed.add(name!.toLowerCase());
  else state.headers.push([name!, value!]);
}

function setDefault(state: State, name: string, value: string): void {
  if (/[\r\n\0]/.test(value)) throw usage(`a ${name} has no line ends`);
  if (value === "") state.removed.add(name.toLowerCase());
  else state.defaults.set(name, value);
}

function takeCookie(state: State, value: string): void {
  if (!value.includes("=")) throw usage("-b takes 'name=value', not a cookie file");
  setDefault(state, "Cookie", value);
}

function takeMaxTime(state: State, value: string): void {
  if (!/^[0-9]{1,6}(\.[0-9]+)?$/.test(value) || Number(value) === 0) {
    throw usage(`-m takes seconds, not ${JSON.stringify(value)}`);
  }
  state.maxTimeMs = Math.ceil(Number(value) * 1_000);
}

function checkedMethod(value: string): string {
  if (/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(value)) return value;
  throw usage(`${JSON.stringify(value)} is no method`);
}

function read(value: string, inputs: CurlInputs): Promise<Uint8Array> {
  const path = value.slice(1);
  return path === "-" ? inputs.stdin() : inputs.file(path);
}

function text(value: string): Uint8Array {
  return encoder.encode(value);
}

/** -d @file drops carriage returns, newlines and null bytes (curl(1)). */
function withoutLineEnds(bytes: Uint8Array): Uint8Array {
  return bytes.filter((byte) => byte !== 0 && byte !== 10 && byte !== 13);
}

function unknownFlag(flag: string): never {
  throw new KhachapuriError("usage", `curl's ${flag} is not taken here`, {
    hints: [
      `these are: ${[...SHORT.keys()].map((letter) => `-${letter}`).join(" ")} and`,
      longNames(),
    ],
  });
}

function longNames(): string {
  const long = Object.entries(FLAGS).filter(([, { short }]) => !short);
  return long.map(([name]) => `--${name}`).join(" ");
}

function missingValue(flag: string): never {
  throw usage(`${flag} needs a value`);
}

function usage(message: string): KhachapuriError {
  return new KhachapuriError("usage", message);
}

/** The options of curl that are taken, with what each does to the state. */
import { type CurlState, fieldValue, usage } from "./curl_state.ts";
import { formPart, literalPart } from "./curl_form.ts";
import { urlencodedData } from "./curl_data.ts";

/** An option with a value. */
export interface ValueOption {
  readonly short?: string;
  take(state: CurlState, value: string, flag: string): void | Promise<void>;
}

/** An option without a value; `--no-NAME` turns it off again. */
export interface SwitchOption {
  readonly short?: string;
}

const encoder = new TextEncoder();

export const VALUE_OPTIONS: Readonly<Record<string, ValueOption>> = {
  request: { short: "X", take: (state, value) => void (state.customMethod = method(value)) },
  header: { short: "H", take: (state, value) => state.addHeaders(value) },
  data: { short: "d", take: (state, value) => state.addData(value, "ascii") },
  "data-ascii": { take: (state, value) => state.addData(value, "ascii") },
  "data-raw": { take: (state, value) => state.addData(value, "raw") },
  "data-binary": { take: (state, value) => state.addData(value, "binary") },
  "data-urlencode": {
    take: async (state, value) => {
      const text = await urlencodedData(value, (from) => state.read(from));
      state.data.push({ bytes: encoder.encode(text), glue: "&" });
    },
  },
  json: {
    take: async (state, value) => {
      state.isJson = true;
      await state.addData(value, "binary");
      const last = state.data.pop()!;
      state.data.push({ ...last, glue: "" });
    },
  },
  form: {
    short: "F",
    take: async (state, value) =>
      void state.form.push(await formPart(value, (from) => state.read(from))),
  },
  "form-string": { take: (state, value) => void state.form.push(literalPart(value)) },
  "upload-file": { short: "T", take: takeUpload },
  "url-query": {
    take: async (state, value) => {
      const text = value.startsWith("+")
        ? value.slice(1)
        : await urlencodedData(value, (from) => state.read(from));
      state.query.push(text);
    },
  },
  "user-agent": {
    short: "A",
    take: (state, value, flag) => void (state.userAgent = fieldValue(flag, value)),
  },
  referer: { short: "e", take: takeReferer },
  cookie: { short: "b", take: takeCookie },
  user: { short: "u", take: takeUser },
  "oauth2-bearer": {
    take: (state, value, flag) => void (state.bearer = fieldValue(flag, value)),
  },
  range: { short: "r", take: takeRange },
  output: { short: "o", take: (state, value) => void (state.output = value) },
  "output-dir": { take: (state, value) => void (state.outputDir = value) },
  "dump-header": { short: "D", take: (state, value) => void (state.dumpHeader = value) },
  "write-out": { short: "w", take: takeWriteOut },
  cacert: { take: (state, value) => void (state.cacert = value) },
  "max-time": {
    short: "m",
    take: (state, value, flag) => void (state.maxTimeMs = milliseconds(value, flag)),
  },
  "connect-timeout": {
    take: (state, value, flag) => void (state.connectTimeoutMs = milliseconds(value, flag)),
  },
  "expect100-timeout": {
    take: (state, value, flag) => void (state.expectTimeoutMs = milliseconds(value, flag) ?? 1_000),
  },
  "max-redirs": {
    take: (state, value, flag) =>
      void (state.redirectsMax = value === "-1" ? Infinity : wholeNumber(value, flag)),
  },
  retry: { take: (state, value, flag) => void (state.retries = wholeNumber(value, flag)) },
  "retry-delay": {
    take: (state, value, flag) => void (state.retryDelayMs = milliseconds(value, flag)),
  },
  "retry-max-time": {
    take: (state, value, flag) => void (state.retryTimeMs = milliseconds(value, flag)),
  },
  url: { take: (state, value) => void state.targets.push(value) },
};

export const SWITCH_OPTIONS: Readonly<Record<string, SwitchOption>> = {
  get: { short: "G" },
  head: { short: "I" },
  include: { short: "i" },
  verbose: { short: "v" },
  fail: { short: "f" },
  "fail-with-body": {},
  location: { short: "L" },
  "location-trusted": {},
  post301: {},
  post302: {},
  post303: {},
  insecure: { short: "k" },
  compressed: {},
  "path-as-is": {},
  globoff: { short: "g" },
  "remote-name": { short: "O" },
  "create-dirs": {},
  "remove-on-error": {},
  "form-escape": {},
  "retry-all-errors": {},
  "retry-connrefused": {},
  // What these ask for always holds here: no config file, buffering or meter, HTTP/1.1, Basic; a
  // failure is told with -s, too.
  disable: { short: "q" },
  silent: { short: "s" },
  "show-error": { short: "S" },
  buffer: { short: "N" },
  "progress-meter": {},
  "progress-bar": { short: "#" },
  "http1.1": {},
  basic: {},
  keepalive: {},
  "tcp-nodelay": {},
  sessionid: {},
  "styled-output": {},
  "suppress-connect-headers": {},
};

/** Other names of an option. */
export const ALIASES: Readonly<Record<string, string>> = {
  "show-headers": "include",
  "http-user": "user",
};

/** What is taken, as people write it. */
export function knownOptions(): string[] {
  const all = [...Object.entries(VALUE_OPTIONS), ...Object.entries(SWITCH_OPTIONS)];
  const shorts = all.flatMap(([, { short }]) => short ? [`-${short}`] : []);
  const longs = all.flatMap(([name, { short }]) => short ? [] : [`--${name}`]);
  return [...shorts, ...longs];
}

function method(value: string): string {
  if (/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(value)) return value;
  throw usage(`${JSON.stringify(value)} is no method`);
}

async function takeUpload(state: CurlState, path: string): Promise<void> {
  if (path === "") throw usage("-T names no file");
  if (state.upload) throw usage("one -T FILE at a time");
  // "." is stdin, too, for curl, read without blocking.
  const isStdin = path === "-" || path === ".";
  state.upload = { path: isStdin ? "-" : path, bytes: await state.read(isStdin ? "-" : path) };
}

function takeReferer(state: CurlState, value: string, flag: string): void {
  if (value.endsWith(";auto")) throw usage("-e with ;auto is not taken", ["write the referer out"]);
  state.referer = fieldValue(flag, value);
}

function takeCookie(state: CurlState, value: string, flag: string): void {
  if (!value.includes("=") || value.startsWith("@")) {
    throw usage("-b takes 'name=value', not a cookie file", ["there is no cookie jar here"]);
  }
  state.cookies.push(fieldValue(flag, value));
}

function takeUser(state: CurlState, value: string): void {
  if (!value.includes(":")) {
    throw usage("-u takes USER:PASSWORD", [
      "a password is not asked for; it may be empty: -u USER:",
    ]);
  }
  state.user = value;
}

function takeRange(state: CurlState, value: string, flag: string): void {
  if (!/^[0-9,-]+$/.test(value)) throw usage(`${flag} takes a range like 0-99, not ${value}`);
  state.range = value.includes("-") ? value : `${value}-`;
}

async function takeWriteOut(state: CurlState, value: string): Promise<void> {
  state.writeOut = value.startsWith("@")
    ? new TextDecoder().decode(await state.read(value))
    : value;
}

/** Seconds with a fraction; null for 0, which is no limit. */
function milliseconds(value: string, flag: string): number | null {
  if (!/^(?:[0-9]{1,9}(?:\.[0-9]*)?|\.[0-9]+)$/.test(value)) {
    throw usage(`${flag} takes seconds, not ${JSON.stringify(value)}`);
  }
  const ms = Math.ceil(Number(value) * 1_000);
  if (ms > 2 ** 31 - 1) throw usage(`${flag}: ${value} seconds are longer than any call`);
  return ms === 0 ? null : ms;
}

function wholeNumber(value: string, flag: string): number {
  if (/^[0-9]{1,9}$/.test(value)) return Number(value);
  throw usage(`${flag} takes a whole number, not ${JSON.stringify(value)}`);
}

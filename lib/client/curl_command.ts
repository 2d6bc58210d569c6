/** From what curl's options said to what is asked for, by curl's rules for combining them. */
import { joinData } from "./curl_data.ts";
import { encodeForm } from "./curl_form.ts";
import type { CurlRequest } from "./curl_request.ts";
import { type CurlState, type Field, usage } from "./curl_state.ts";
import { remoteName, withFileName, withoutGlobs, withQuery } from "./curl_url.ts";

/** A curl command line, parsed. */
export interface CurlCommand {
  /** URL or path; what -G, --url-query and -T put into it is there. */
  target: string;
  request: CurlRequest;
  print: CurlPrint;
  transfer: CurlTransfer;
}

/** What is printed, and where to. */
export interface CurlPrint {
  /** The body, head and body (-i), or the head alone (-I). */
  show: "body" | "head and body" | "head";
  /** -o FILE or -O; null is stdout. */
  output: string | null;
  isFolderMade: boolean;
  isRemovedOnError: boolean;
  /** -D FILE; "-" is stdout. */
  dumpHeader: string | null;
  /** -w. */
  writeOut: string | null;
  /** -v: the request and the response head on stderr. */
  isVerbose: boolean;
  /** Whether a status of 400 or more is a failure, and what it prints (-f, --fail-with-body). */
  failure: "without body" | "with body" | null;
}

/** How the request is sent, again and further. Times in ms, null is no limit. */
export interface CurlTransfer {
  maxTimeMs: number | null;
  connectTimeoutMs: number | null;
  /** How long `Expect: 100-continue` waits for an answer. */
  expectTimeoutMs: number;
  /** -k: takes any certificate. */
  isInsecure: boolean;
  /** --cacert FILE. */
  cacert: string | null;
  /** --compressed: a body is decoded. */
  isDecoded: boolean;
  redirects: CurlRedirects | null;
  retry: CurlRetry;
}

/** -L. */
export interface CurlRedirects {
  max: number;
  /** Statuses after which a POST stays one (--post301 and its like). */
  kept: ReadonlySet<number>;
  /** --location-trusted: -u goes to other hosts, too. */
  isTrusted: boolean;
}

/** --retry; `max` 0 is once. */
export interface CurlRetry {
  max: number;
  /** null: 1 s, doubled each time. */
  delayMs: number | null;
  timeMs: number | null;
  /** --retry-connrefused, --retry-all-errors. */
  when: "transient" | "refused too" | "any error";
}

const FORM_TYPE = "application/x-www-form-urlencoded";

/** @throws KhachapuriError `usage` */
export function commandOf(state: CurlState): CurlCommand {
  const [target, ...others] = state.targets;
  if (target === undefined || target === "") throw usage("no URL or path given");
  if (others.length > 0) throw usage(`one URL or path at a time, not also ${others[0]}`);
  assertOneBody(state);
  return {
    target: finalTarget(state, target),
    request: requestOf(state),
    print: printOf(state, target),
    transfer: transferOf(state),
  };
}

function assertOneBody(state: CurlState): void {
  const isHead = state.isOn("head");
  const given = [
    ...(state.data.length > 0 && !state.isOn("get") ? [state.isJson ? "--json" : "-d"] : []),
    ...(state.data.length > 0 && state.isOn("get") && !isHead ? ["-G"] : []),
    ...(state.form.length > 0 ? ["-F"] : []),
    ...(state.upload ? ["-T"] : []),
    ...(isHead ? ["-I"] : []),
  ];
  if (given.length > 1) {
    throw usage(`${given.join(" and ")} exclude each other: one request at a time`);
  }
}

function finalTarget(state: CurlState, given: string): string {
  const isGlobbed = !state.isOn("globoff");
  if (isGlobbed && state.upload && /[[\]{}]/.test(state.upload.path)) {
    throw usage(`curl reads [ ] { } in ${state.upload.path} as a list of files`, [
      "-g takes them as they are",
    ]);
  }
  let target = isGlobbed ? withoutGlobs(given) : given;
  if (state.upload && state.upload.path !== "-") target = withFileName(target, state.upload.path);
  const data = state.isOn("get") && state.data.length > 0
    ? new TextDecoder().decode(joinData(state.data))
    : null;
  const query = data ?? (state.query.length > 0 ? state.query.join("&") : null);
  return query === null ? target : withQuery(target, query);
}

function requestOf(state: CurlState): CurlRequest {
  return {
    customMethod: state.customMethod,
    ...bodyOf(state),
    headers: state.isJson ? [...state.headers, ...jsonHeaders(state)] : state.headers,
    removed: state.removed,
    authorization: authorizationOf(state),
    range: state.range,
    userAgent: state.userAgent,
    isCompressed: state.isOn("compressed"),
    referer: state.referer,
    cookie: state.cookies.join(";"),
    isPathAsIs: state.isOn("path-as-is"),
  };
}

function bodyOf(state: CurlState): Pick<CurlRequest, "method" | "body" | "bodyType" | "isChunked"> {
  const whole = { bodyType: null, isChunked: false };
  if (state.upload) {
    const { bytes, path } = state.upload;
    // Of stdin curl does not know the length when it begins to send.
    return { ...whole, method: "PUT", body: bytes, isChunked: path === "-" };
  }
  if (state.form.length > 0) {
    const { bytes, boundary } = encodeForm(state.form, state.isOn("form-escape"));
    const type = { name: "multipart/form-data", boundary };
    return { ...whole, method: "POST", body: bytes, bodyType: type };
  }
  if (state.isOn("head")) return { ...whole, method: "HEAD", body: null };
  if (state.isOn("get") || state.data.length === 0) return { ...whole, method: "GET", body: null };
  const bodyType = { name: FORM_TYPE, boundary: null };
  return { ...whole, method: "POST", body: joinData(state.data), bodyType };
}

/** What --json adds behind the fields of -H. */
function jsonHeaders({ headers, removed }: CurlState): Field[] {
  const type = "application/json";
  const added: Field[] = [["Content-Type", type], ["Accept", type]];
  return added.filter(([name]) => {
    const folded = name.toLowerCase();
    return !removed.has(folded) && !headers.some(([own]) => own.toLowerCase() === folded);
  });
}

function authorizationOf({ user, bearer }: CurlState): string | null {
  if (bearer !== null) return `Bearer ${bearer}`;
  return user === null ? null : `Basic ${new TextEncoder().encode(user).toBase64()}`;
}

function printOf(state: CurlState, target: string): CurlPrint {
  const show = state.isOn("head") ? "head" : state.isOn("include") ? "head and body" : "body";
  return {
    show,
    output: outputOf(state, target),
    isFolderMade: state.isOn("create-dirs"),
    isRemovedOnError: state.isOn("remove-on-error"),
    dumpHeader: state.dumpHeader,
    writeOut: state.writeOut,
    isVerbose: state.isOn("verbose"),
    failure: failureOf(state),
  };
}

function outputOf(state: CurlState, target: string): string | null {
  if (state.isOn("remote-name") && state.output !== null) {
    throw usage("-o and -O both name the file", ["give one of the two"]);
  }
  if (state.output === "") throw usage("-o names no file", ["-o - is stdout"]);
  const name = state.isOn("remote-name") ? remoteName(target) : state.output;
  if (name === "") throw usage(`${target} ends in no name for -O`, ["name the file with -o FILE"]);
  if (name === null || name === "-") return null;
  return state.outputDir === null ? name : `${state.outputDir.replace(/\/$/, "")}/${name}`;
}

function failureOf(state: CurlState): CurlPrint["failure"] {
  const [plain, withBody] = [state.isOn("fail"), state.isOn("fail-with-body")];
  if (plain && withBody) throw usage("-f and --fail-with-body exclude each other");
  return plain ? "without body" : withBody ? "with body" : null;
}

function transferOf(state: CurlState): CurlTransfer {
  const isTrusted = state.isOn("location-trusted");
  const kept = [301, 302, 303].filter((status) => state.isOn(`post${status}`));
  const any = state.isOn("retry-all-errors");
  const when = any ? "any error" : state.isOn("retry-connrefused") ? "refused too" : "transient";
  return {
    maxTimeMs: state.maxTimeMs,
    connectTimeoutMs: state.connectTimeoutMs,
    expectTimeoutMs: state.expectTimeoutMs,
    isInsecure: state.isOn("insecure"),
    cacert: state.cacert,
    isDecoded: state.isOn("compressed"),
    redirects: isTrusted || state.isOn("location")
      ? { max: state.redirectsMax, kept: new Set(kept), isTrusted }
      : null,
    retry: { max: state.retries, delayMs: state.retryDelayMs, timeMs: state.retryTimeMs, when },
  };
}

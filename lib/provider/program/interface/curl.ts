/**
 * A request as a program sees it: the arguments one would give curl, and the meta-variables of
 * CGI/1.1 (RFC 3875 section 4.1).
 */
import { KhachapuriError } from "../../../errors.ts";
import type { Spec } from "../../../spec/schema.ts";
import { connectionOptions, type HeaderField, isEndToEnd } from "../../http/header_rules.ts";

export interface ProgramRequest {
  method: string;
  /** Scheme, host and port that the caller used. */
  base: URL;
  /** The path under which the deployment lives: "/{cid}", or "" on a host of its own. */
  mount: string;
  /** The rest of the path, percent-encoded as in the URL, with its leading slash. */
  path: string;
  /** Without the question mark; "" when there is none. */
  query: string;
  /** As a `Headers` lists them: in lower case, repeated ones joined. */
  headers: readonly HeaderField[];
  hasBody: boolean;
  remoteAddress: string;
  style: Spec["interface"];
}

export interface Invocation {
  /** What follows the entrypoint and the spec's own arguments. */
  args: string[];
  /** To be laid over the spec's environment, which can't contain any of these names. */
  env: Record<string, string>;
}

/** What curl makes up itself from the URL and the body; a second copy would contradict it. */
const CURLS_OWN: ReadonlySet<string> = new Set(["host", "content-length", "expect"]);

/**
 * The program's arguments and environment for one request. Real curl accepts the arguments as they
 * stand: `-q -g` keep it from reading a config file and from expanding brackets in the URL, `-s -S`
 * from drawing a progress meter but not from saying what went wrong, which is for the owner; a HEAD
 * is `-I`, and a header without a value is written `name;`. No part of a request can become an
 * option: each value is the argument of a flag, and the URL begins with its scheme.
 *
 * A CGI program gets no arguments. RFC 3875 section 4.4 would make them from a query without "=",
 * which lets a caller pass options to an interpreter (CVE-2012-1823).
 * @throws KhachapuriError `invalid_input` when the path holds what no variable can
 */
export function curlInvocation(request: ProgramRequest): Invocation {
  const fields = [...endToEnd(request.headers)];
  const env = metaVariables(request, fields);
  return { args: request.style === "cgi" ? [] : curlArguments(request, fields), env };
}

function mountPath({ base, mount }: ProgramRequest): string {
  return base.pathname.replace(/\/+$/, "") + mount;
}

function curlArguments(request: ProgramRequest, fields: readonly HeaderField[]): string[] {
  const { method, base, path, query, hasBody } = request;
  const isHead = method === "HEAD";
  const args = ["-q", "-g", "-s", "-S", ...(isHead ? ["-I"] : ["-i", "-X", method])];
  for (const [name, value] of fields) {
    if (!CURLS_OWN.has(name)) args.push("-H", value === "" ? `${name};` : `${name}: ${value}`);
  }
  // With -I curl takes no body, and the body of a HEAD means nothing (RFC 9110 section 9.3.2).
  if (hasBody && !isHead) args.push("--data-binary", "@-");
  const search = query === "" ? "" : `?${query}`;
  args.push(`${base.origin}${mountPath(request)}${path}${search}`);
  return args;
}

function valueOf(headers: readonly HeaderField[], wanted: string): string | null {
  return headers.find(([name]) => name === wanted)?.[1] ?? null;
}

function* endToEnd(headers: readonly HeaderField[]): Iterable<HeaderField> {
  const connection = connectionOptions(valueOf(headers, "connection"));
  for (const [name, value] of headers) {
    if (isEndToEnd(name, connection)) yield [name, asText(value)];
  }
}

/**
 * Headers come as bytes in the guise of Latin-1. What was UTF-8 becomes that text again, so that a
 * program, whose arguments are encoded as UTF-8, finds the very bytes that the caller sent.
 */
function asText(value: string): string {
  // deno-lint-ignore no-control-regex -- ASCII is meant, control characters and all
  if (/^[\x00-\x7f]*$/.test(value)) return value;
  const bytes = Uint8Array.from(value, (char) => char.charCodeAt(0));
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return value;
  }
}

function metaVariables(
  request: ProgramRequest,
  fields: readonly HeaderField[],
): Record<string, string> {
  const { method, base, path, query, headers, hasBody, remoteAddress } = request;
  const isSecure = base.protocol === "https:";
  const mount = mountPath(request);
  const contentType = valueOf(headers, "content-type");
  const contentLength = valueOf(headers, "content-length");
  return {
    GATEWAY_INTERFACE: "CGI/1.1",
    PATH_INFO: decodePath(path),
    QUERY_STRING: query,
    REMOTE_ADDR: remoteAddress,
    REMOTE_HOST: remoteAddress,
    REQUEST_METHOD: method,
    REQUEST_SCHEME: isSecure ? "https" : "http",
    REQUEST_URI: `${mount}${path}${query === "" ? "" : `?${query}`}`,
    SCRIPT_NAME: mount,
    SERVER_NAME: base.hostname,
    SERVER_PORT: base.port || (isSecure ? "443" : "80"),
    SERVER_PROTOCOL: "HTTP/1.1",
    SERVER_SOFTWARE: "khachapuri",
    ...(isSecure ? { HTTPS: "on" } : {}),
    ...(contentType === null ? {} : { CONTENT_TYPE: asText(contentType) }),
    ...(contentLength === null || !hasBody ? {} : { CONTENT_LENGTH: contentLength }),
    ...headerVariables(fields),
  };
}

/**
 * `HTTP_*`. Left out: `Proxy`, which would become HTTP_PROXY (httpoxy, CVE-2016-5385), and names
 * with anything but letters, digits and dashes, which could pose as another header's variable.
 */
function headerVariables(fields: readonly HeaderField[]): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [name, value] of fields) {
    if (name === "proxy" || name === "content-type" || name === "content-length") continue;
    if (!/^[a-z0-9-]+$/.test(name)) continue;
    variables[`HTTP_${name.toUpperCase().replaceAll("-", "_")}`] = value;
  }
  return variables;
}

/** RFC 3875 section 4.1.5: PATH_INFO is not URL-encoded. */
function decodePath(path: string): string {
  let decoded: string;
  try {
    // A percent sign that starts no escape stands for itself, as in a URL's own grammar (WHATWG).
    decoded = decodeURIComponent(path.replace(/%(?![0-9A-Fa-f]{2})/g, "%25"));
  } catch (cause) {
    throw new KhachapuriError("invalid_input", "the path is not UTF-8 once decoded", { cause });
  }
  if (!decoded.includes("\0")) return decoded;
  throw new KhachapuriError("invalid_input", "the path contains a NUL character");
}

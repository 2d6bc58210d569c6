/**
 * The meta-variables of CGI/1.1 (RFC 3875 section 4.1), which programs of every interface that
 * starts anew for each request find in their environment.
 */
import { KhachapuriError } from "../../../errors.ts";
import { connectionOptions, type HeaderField, isEndToEnd } from "../../http/header_rules.ts";
import type { ProgramRequest } from "./interface.ts";

/** The fields of a request that are for the program, in the order in which they came. */
export function programFields({ headers }: ProgramRequest): HeaderField[] {
  return [...endToEnd(headers)];
}

/** The path of the deployment as the caller sees it. */
export function mountPath({ base, mount }: ProgramRequest): string {
  return base.pathname.replace(/\/+$/, "") + mount;
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

/** @throws KhachapuriError `invalid_input` when the path holds what no variable can */
export function metaVariables(
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

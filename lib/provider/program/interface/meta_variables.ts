/**
 * The meta-variables of CGI/1.1 (RFC 3875 section 4.1), which programs of every interface that
 * starts anew for each request find in their environment.
 */
import { KhachapuriError } from "../../../errors.ts";
import {
  connectionOptions,
  type HeaderField,
  isEndToEnd,
  joined,
  singly,
} from "../../http/header_rules.ts";
import type { ProgramRequest } from "./interface.ts";

/**
 * The fields of a request that are for the program, in the order in which they came, repeated ones
 * apart.
 * @throws KhachapuriError `invalid_input` when one that holds one value came with two
 */
export function programFields({ headers }: ProgramRequest): HeaderField[] {
  const connection = connectionOptions(valueOf(headers, "connection"));
  const fields = headers.filter(([name]) => isEndToEnd(name, connection));
  return singly(fields, (name) => {
    const problem = `the request has two different ${name} fields, and only one can be meant`;
    return new KhachapuriError("invalid_input", problem);
  });
}

/** The path of the deployment as the caller sees it. */
export function mountPath({ base, mount }: ProgramRequest): string {
  const { pathname } = base;
  return pathname === "/" ? mount : pathname.replace(/\/+$/, "") + mount;
}

/** As the caller named it. HTTP/1.0 may name none, and a server needs one to make URLs of. */
export function hostOf({ base, headers }: ProgramRequest): string {
  return headers.find(([name]) => name === "host")?.[1] || base.host;
}

/** Path and query of the request, as they were sent. */
export function requestUri(request: ProgramRequest): string {
  const { path, query } = request;
  return `${mountPath(request)}${path}${query === null ? "" : `?${query}`}`;
}

function valueOf(headers: readonly HeaderField[], wanted: string): string | null {
  const values = headers.filter(([name]) => name === wanted).map((field) => field[1]);
  return values.length === 0 ? null : joined(wanted, values);
}

/**
 * @param fields the program's
 * @throws KhachapuriError `invalid_input` when the path holds what no variable can
 */
export function metaVariables(
  request: ProgramRequest,
  fields: readonly HeaderField[],
): Record<string, string> {
  const { method, protocol, base, path, query, bodyBytes, remoteAddress, payer } = request;
  const isSecure = base.protocol === "https:";
  const contentType = valueOf(fields, "content-type");
  return {
    GATEWAY_INTERFACE: "CGI/1.1",
    PATH_INFO: decodePath(path),
    QUERY_STRING: query ?? "",
    REMOTE_ADDR: remoteAddress,
    REMOTE_HOST: remoteAddress,
    REQUEST_METHOD: method,
    REQUEST_SCHEME: isSecure ? "https" : "http",
    REQUEST_URI: requestUri(request),
    SCRIPT_NAME: mountPath(request),
    SERVER_NAME: base.hostname,
    SERVER_PORT: base.port || (isSecure ? "443" : "80"),
    SERVER_PROTOCOL: protocol,
    SERVER_SOFTWARE: "khachapuri",
    ...(isSecure ? { HTTPS: "on" } : {}),
    ...(contentType === null ? {} : { CONTENT_TYPE: contentType }),
    ...(bodyBytes === null ? {} : { CONTENT_LENGTH: String(bodyBytes) }),
    ...(payer === null ? {} : { KHACHAPURI_PAYER: payer }),
    ...headerVariables(fields),
  };
}

/**
 * `HTTP_*`, each field once (RFC 3875 section 4.1.18): what the caller says. What the provider says
 * itself has variables that no field's name maps to. Left out: `Proxy`, which would become
 * HTTP_PROXY (httpoxy, CVE-2016-5385), and names with anything but letters, digits and dashes,
 * which could pose as another header's variable.
 */
function headerVariables(fields: readonly HeaderField[]): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [name, value] of fields) {
    if (name === "proxy" || name === "content-type" || name === "content-length") continue;
    if (!/^[a-z0-9-]+$/.test(name)) continue;
    const variable = `HTTP_${name.toUpperCase().replaceAll("-", "_")}`;
    const before = variables[variable];
    variables[variable] = before === undefined ? value : joined(name, [before, value]);
  }
  return variables;
}

/**
 * RFC 3875 section 4.1.5: PATH_INFO is not URL-encoded. A percent sign that starts no escape stands
 * for itself, as in a URL's own grammar (WHATWG).
 */
function decodePath(path: string): string {
  const decoded = path.replace(
    /%([0-9a-f]{2})/gi,
    (_, octet) => String.fromCharCode(parseInt(octet, 16)),
  );
  if (!decoded.includes("\0")) return decoded;
  throw new KhachapuriError("invalid_input", "the path contains a NUL character");
}

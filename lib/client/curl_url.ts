/**
 * URLs as curl reads them: everything but dot segments goes out as it was written, where the web's
 * own parser would rewrite quotes, backslashes, `%2e` and an empty query.
 */
import { KhachapuriError } from "../errors.ts";

/** A URL cut into its parts; none is decoded. */
export interface CurlUrl {
  scheme: "http" | "https";
  /** Host and port as in the Host field, without a default port. */
  host: string;
  /** What to connect to, IPv6 without brackets. */
  hostname: string;
  port: number;
  /** With its leading slash. */
  path: string;
  /** What follows the first "?"; null when there is none. */
  query: string | null;
}

/**
 * Reads an http(s) URL; without a scheme it is http.
 * @param isPathAsIs keeps `/./` and `/../` (--path-as-is)
 * @throws KhachapuriError `usage`
 */
export function parseCurlUrl(text: string, isPathAsIs = false): CurlUrl {
  const [, given = "http", rest] = /^(?:([a-z][a-z0-9+.-]*):\/\/)?([^]*)$/i.exec(text)!;
  const scheme = given.toLowerCase();
  if (scheme !== "http" && scheme !== "https") {
    throw usage(`${given}: is not spoken here, only http and https`);
  }
  const [, authority, path, query] = /^([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#[^]*)?$/.exec(rest!)!;
  const { host, hostname, port } = authorityOf(scheme, authority!, text);
  assertSendable(text);
  const slashed = `/${path!.replace(/^\//, "")}`;
  return {
    scheme,
    host,
    hostname,
    port,
    path: escapedOctets(isPathAsIs ? slashed : withoutDots(slashed)),
    query: query ?? null,
  };
}

/** The URL as text. */
export function formatCurlUrl(url: CurlUrl): string {
  return `${originOf(url)}${requestTarget(url)}`;
}

export function originOf({ scheme, host }: CurlUrl): string {
  return `${scheme}://${host}`;
}

/** Origin form (RFC 9112 section 3.2.1). */
export function requestTarget({ path, query }: CurlUrl): string {
  return query === null ? path : `${path}?${query}`;
}

/**
 * Puts a query behind the one that a URL or path has, and before its fragment (-G, --url-query).
 * @param query encoded
 */
export function withQuery(target: string, query: string): string {
  const [, before, given, fragment = ""] = /^([^?#]*)(?:\?([^#]*))?(#[^]*)?$/.exec(target)!;
  const glue = given && !given.endsWith("&") ? "&" : "";
  const whole = `${given ?? ""}${glue}${query}`;
  return `${before}${whole === "" ? "" : `?${whole}`}${fragment}`;
}

/** What -T FILE asks for: a URL or path that ends in a folder gets the file's name. */
export function withFileName(target: string, file: string): string {
  const pattern = /^((?:[a-z][a-z0-9+.-]*:\/\/)?[^/?#]*)([^?#]*)(?:\?(?=#|$))?([^]*)$/i;
  const [, start, path, rest] = pattern.exec(target)!;
  if (!/(?:^|\/\.{0,2})$/.test(path!)) return target;
  const name = file.split(/[/\\]/).at(-1)!;
  const folder = path!.endsWith("/") ? path : `${path}/`;
  return `${start}${folder}${percentEncoded(new TextEncoder().encode(name))}${rest}`;
}

/** The file that -O writes to: the last segment of the path; "" when it has none. */
export function remoteName(target: string): string {
  const [, path] = /^(?:[a-z][a-z0-9+.-]*:\/\/)?([^?#]*)/i.exec(target)!;
  return path!.includes("/") ? path!.slice(path!.lastIndexOf("/") + 1) : "";
}

/**
 * Brackets and braces stand for lists of URLs in curl, unless -g is given; `\[` is a bracket.
 * @throws KhachapuriError `usage` for a list
 */
export function withoutGlobs(target: string): string {
  const [, start, rest] = /^((?:[a-z][a-z0-9+.-]*:\/\/)?(?:\[[0-9a-f:.%]*\](?=[:/?#]|$))?)([^]*)$/i
    .exec(target)!;
  if (/(?:^|[^\\])[[\]{}]/.test(rest!)) {
    throw usage(`curl reads [ ] { } in ${target} as a list of URLs`, ["-g sends them as they are"]);
  }
  return start! + rest!.replace(/\\([[\]{}])/g, "$1");
}

/** RFC 3986 section 2.3: everything but the unreserved characters, byte by byte. */
export function percentEncoded(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    const char = String.fromCharCode(byte);
    text += /[A-Za-z0-9._~-]/.test(char)
      ? char
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}

function authorityOf(scheme: "http" | "https", authority: string, text: string) {
  if (authority.includes("@")) {
    throw usage("a URL with a user in it is not taken", ["give -u USER:PASSWORD"]);
  }
  const whole = `${scheme}://${authority}/`;
  const [, name, digits] = /^(\[[^\]]*\]|[^:]*)(?::([0-9]*))?$/.exec(authority) ?? [];
  if (!name || !URL.canParse(whole)) throw usage(`not a URL: ${text}`);
  const url = new URL(whole);
  const ordinary = scheme === "https" ? 443 : 80;
  const port = digits ? Number(digits) : ordinary;
  return {
    host: port === ordinary ? name : `${name}:${port}`,
    hostname: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port,
  };
}

/** @throws KhachapuriError `usage` for what no request line can hold */
function assertSendable(text: string): void {
  if (!/[\0-\x20\x7f]/.test(text)) return;
  throw usage(`a URL has no spaces or control characters: ${JSON.stringify(text)}`, [
    "write %20 for a space; --data-urlencode with -G does it for you",
  ]);
}

/** Octets beyond ASCII, percent-encoded; those of a query go out as they are. */
function escapedOctets(text: string): string {
  return text.replace(/[^\0-\x7f]+/g, (part) => percentEncoded(new TextEncoder().encode(part)));
}

/** RFC 3986 section 5.2.4. */
function withoutDots(path: string): string {
  const kept: string[] = [];
  const segments = path.split("/").slice(1);
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1;
    if (segment === "..") kept.pop();
    else if (segment !== ".") kept.push(segment);
    if (isLast && (segment === "." || segment === "..")) kept.push("");
  }
  return `/${kept.join("/")}`;
}

function usage(message: string, hints: readonly string[] = []): KhachapuriError {
  return new KhachapuriError("usage", message, { hints });
}

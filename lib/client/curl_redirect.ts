/** Where an answer sends its caller, and with what (-L). */
import type { CurlRedirects } from "./curl_command.ts";
import type { CurlRequest } from "./curl_request.ts";
import type { CurlAnswer } from "./curl_send.ts";
import { type CurlUrl, formatCurlUrl, originOf, parseCurlUrl } from "./curl_url.ts";

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * The URL that an answer redirects to; null when it does not.
 * @throws KhachapuriError `usage` for one that is not http(s)
 */
export function redirectUrl(
  answer: Pick<CurlAnswer, "status" | "fields">,
  from: CurlUrl,
  isPathAsIs: boolean,
): CurlUrl | null {
  if (!REDIRECTS.has(answer.status)) return null;
  const location = answer.fields.find(([name]) => name.toLowerCase() === "location")?.[1];
  return location === undefined ? null : parseCurlUrl(absolute(location, from), isPathAsIs);
}

/** RFC 3986 section 5.2, dot segments aside. */
function absolute(location: string, from: CurlUrl): string {
  const octets = Uint8Array.from(location, (char) => char.charCodeAt(0));
  const text = new TextDecoder().decode(octets).replaceAll(" ", "%20");
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return text;
  if (text.startsWith("//")) return `${from.scheme}:${text}`;
  if (text.startsWith("/")) return `${originOf(from)}${text}`;
  if (text.startsWith("?")) return `${originOf(from)}${from.path}${text}`;
  if (text === "" || text.startsWith("#")) return formatCurlUrl(from);
  return `${originOf(from)}${from.path.slice(0, from.path.lastIndexOf("/") + 1)}${text}`;
}

/**
 * The request for the next hop: a POST becomes a GET as curl has it, and what is secret stays with
 * the host that it was meant for.
 */
export function redirectedRequest(
  request: CurlRequest,
  status: number,
  { isElsewhere, redirects }: { isElsewhere: boolean; redirects: CurlRedirects },
): CurlRequest {
  const next = isGetFrom(request, status, redirects) ? withoutBody(request) : request;
  if (!isElsewhere) return next;
  // A permit is money: it goes to its provider alone, whatever is trusted.
  const kept = redirects.isTrusted
    ? /^(?!host$|payment-)/i
    : /^(?!host$|payment-|authorization$|cookie$)/i;
  const headers = next.headers.filter(([name]) => kept.test(name));
  return redirects.isTrusted
    ? { ...next, headers }
    : { ...next, headers, authorization: null, cookie: "" };
}

function isGetFrom({ method }: CurlRequest, status: number, { kept }: CurlRedirects): boolean {
  if (method === "POST") {
    return (status === 301 || status === 302 || status === 303) && !kept.has(status);
  }
  return method === "PUT" && status === 303;
}

function withoutBody(request: CurlRequest): CurlRequest {
  const framing = /^(?:content-length|transfer-encoding|expect)$/i;
  return {
    ...request,
    method: "GET",
    body: null,
    bodyType: null,
    isChunked: false,
    headers: request.headers.filter(([name]) => !framing.test(name)),
  };
}

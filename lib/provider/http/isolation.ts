/**
 * One web origin, many strangers: what a program may say to a browser, and to the proxy before us.
 * Under `/{cid}` every deployment shares the provider's origin, so only what is known to act on the
 * one answer is let through; `https://{cid}.{domain}/` has an origin of its own, where only what
 * reaches beyond it is dropped.
 */
import { KhachapuriError } from "../../errors.ts";
import type { FieldReader } from "./fields.ts";
import type { HeaderField } from "./header_rules.ts";
import type { DeploymentTarget, Target } from "./target.ts";

/** What reaches beyond an origin: to the host's other ports, its site, or what is asked next. */
const BEYOND_ORIGIN = namesOf(`
  activate-storage-access alt-svc attribution-reporting-register-os-source
  attribution-reporting-register-os-trigger attribution-reporting-register-source
  attribution-reporting-register-trigger clear-site-data expect-ct nel observe-browsing-topics
  origin-agent-cluster public-key-pins public-key-pins-report-only report-to reporting-endpoints
  service-worker-allowed set-cookie2 strict-transport-security supports-loading-mode
`);

/** Sessions that a browser binds to its device, for all of a site if they say so. */
const DEVICE_BOUND_SESSION = /^(sec|secure)-session-/;

/**
 * Orders to a proxy before us: a program could have it serve its own files, fetch for it, empty its
 * cache or take us for dead. By line: what is known to be one, names of proxies, of clouds, and
 * what a proxy may well take for its own.
 */
const PROXY_ORDERS: readonly RegExp[] = [
  /^x-(accel|send-?file|lighttpd|litespeed|litemage|lsadc|lscache|reproxy|offload|envoy)/,
  /^x-(compress-hint|http2-push|passenger|cascade|mod-pagespeed|page-?speed|uwsgi)/,
  /^x-(apache|arr|ats|caddy|haproxy|iis|istio|kong|nginx|squid|traefik|varnish)(-|$)/,
  /^x-(akamai|amz|amzn|appengine|azure|bunny|cdn|cf|edge|fastly|goog|google|ms|vercel)(-|$)/,
  /^x-(ban|cache-tags?|esi|forwarded|internal|middleware|original|proxy|purge|rewrite)(-|$)/,
];

/**
 * What acts on the answer that carries it and on nothing after it, by purpose (RFC 9110, 9111, 8288
 * and others of the IANA registry, Fetch, HTML, W3C): what the content is; what became of the
 * request and what else may be asked; how long the answer may be kept; what its document may do,
 * by policies that only take away; which pages may read it, without a browser's credentials, as
 * those are the whole origin's.
 */
export const OF_ONE_ANSWER = namesOf(`
  accept-ranges content-digest content-disposition content-encoding content-language
  content-length content-location content-md5 content-range content-type digest etag last-modified
  memento-datetime repr-digest signature signature-input sourcemap vary want-content-digest
  want-repr-digest

  accept-patch accept-post accept-query allow date dav deprecation link location lock-token
  mcp-protocol-version mcp-session-id preference-applied ratelimit ratelimit-limit
  ratelimit-policy ratelimit-remaining ratelimit-reset refresh request-id retry-after server
  sec-websocket-accept sec-websocket-extensions sec-websocket-protocol sec-websocket-version
  server-timing sunset traceparent traceresponse tracestate

  age cache-control expires pragma warning

  content-security-policy content-security-policy-report-only cross-origin-embedder-policy
  cross-origin-opener-policy cross-origin-resource-policy document-isolation-policy
  document-policy feature-policy integrity-policy permissions-policy referrer-policy

  access-control-allow-headers access-control-allow-methods access-control-allow-origin
  access-control-expose-headers access-control-max-age timing-allow-origin
`);

/**
 * A program's own names begin with "x-". Browsers read a few such, all for the one answer; the one
 * that is not a program's tells Adobe's readers what holds for the whole origin.
 */
function isApplications(name: string): boolean {
  return name.startsWith("x-") && name !== "x-permitted-cross-domain-policies";
}

/**
 * A challenge for a token, which its client sends by itself (RFC 6750, RFC 9449), and no other
 * beside it. Of Basic and its like a browser asks its user, and keeps the answer for the origin.
 */
const PARAMETER = /[\w!#$%&'*+.^`|~-]+ *= *(?:[^"\s,]+|"(?:[^"\\]|\\.)*")/.source;
const TOKEN_CHALLENGE = new RegExp(
  `^(?:bearer|dpop)(?: +${PARAMETER}(?: *, *${PARAMETER})*)?$`,
  "i",
);

function namesOf(text: string): ReadonlySet<string> {
  return new Set(text.trim().split(/\s+/));
}

/**
 * A service worker of one program would see the requests of all others.
 * @throws KhachapuriError `access_denied`
 */
export function refuseServiceWorker(target: Pick<Target, "form">, fields: FieldReader): void {
  if (target.form !== "path" || !fields.has("service-worker")) return;
  throw new KhachapuriError("access_denied", "service workers need an origin of their own", {
    hints: ["use https://{cid}.{domain}/ instead of /{cid}"],
  });
}

/**
 * What a caller paid for is its own, with the receipt's address in the headers: no cache between
 * may give it to anybody else, whatever the program says.
 */
export function keepPrivate(headers: readonly HeaderField[]): HeaderField[] {
  const kept = headers.filter(([name]) =>
    !name.endsWith("cache-control") && name !== "surrogate-control" && name !== "expires"
  );
  return [...kept, ["cache-control", "no-store"]];
}

/** Makes a program's response headers safe for the origin they are answered from. */
export function isolate(
  form: DeploymentTarget["form"],
  headers: readonly HeaderField[],
): HeaderField[] {
  const safe: HeaderField[] = [];
  for (const field of headers) {
    const [name, value] = field;
    if (isProxyOrder(name)) continue;
    if (form === "path" ? !isForOneAnswer(name, value) : isBeyondOrigin(name)) continue;
    if (name === "x-content-type-options") continue;
    safe.push(name === "set-cookie" ? [name, withoutDomain(value)] : field);
  }
  if (form === "path") safe.push(["content-security-policy", "sandbox"]);
  safe.push(["x-content-type-options", "nosniff"]);
  return safe;
}

function isProxyOrder(name: string): boolean {
  return name.startsWith("x-") && PROXY_ORDERS.some((order) => order.test(name));
}

function isForOneAnswer(name: string, value: string): boolean {
  if (name === "www-authenticate") return TOKEN_CHALLENGE.test(value);
  return OF_ONE_ANSWER.has(name) || isApplications(name);
}

function isBeyondOrigin(name: string): boolean {
  return BEYOND_ORIGIN.has(name) || DEVICE_BOUND_SESSION.test(name);
}

/** A cookie for the whole domain would reach every other deployment. */
function withoutDomain(cookie: string): string {
  return cookie.split(";").filter((part) => !/^\s*domain\s*=/i.test(part)).join(";");
}

/**
 * One GET to a trustless gateway (https://specs.ipfs.tech/http-gateways/trustless-gateway/):
 * bounded redirects, no content codings, and a code for each kind of refusal.
 */
import { lookup } from "node:dns/promises";
import { KhachapuriError } from "../errors.ts";
import { GATEWAY_BACKOFF_SECONDS_MAX, GATEWAY_REDIRECTS_MAX } from "../limits.ts";
import { whyUnreachable } from "../unreachable.ts";
import { reachOfHost } from "./address.ts";

/** The network as this folder sees it. */
export interface Network {
  fetch: typeof fetch;
  /** All addresses of a host name. */
  resolve(name: string): Promise<readonly string[]>;
  /** Milliseconds since the epoch, for a `Retry-After` that is a date. */
  now(): number;
}

export interface GatewayRequest {
  url: URL;
  accept: string;
  /** Header fields for the gateway that is asked, and none that it leads to. */
  ownFields?: Readonly<Record<string, string>> | undefined;
  signal: AbortSignal;
}

/** An answer with status 200; the type with parameters, in lower case, empty when it says none. */
export interface GatewayAnswer {
  contentType: string;
  body: ReadableStream<Uint8Array>;
}

/** Seconds to wait after a 429 or 503 without `Retry-After`; longer each time (operator.ts). */
const BACKOFF_SECONDS = { 429: 10, 503: 5 } as const;

/** Resolves with the system's resolver. */
export async function resolveHost(name: string): Promise<string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

/**
 * Sends the request and follows redirects.
 * @returns null when the gateway does not do this kind of request (400, 405, 406, 415, 501)
 * @throws KhachapuriError `not_found` (404, 410, 412, 451), `ipfs_unavailable` otherwise, with
 * `retryAfterSeconds` when the gateway wants to be left alone (429, 503)
 */
export async function requestGateway(
  network: Network,
  request: GatewayRequest,
): Promise<GatewayAnswer | null> {
  let url = request.url;
  for (let hops = 0; hops <= GATEWAY_REDIRECTS_MAX; hops++) {
    const isAsked = url.origin === request.url.origin;
    const ownFields = isAsked ? request.ownFields : undefined;
    const response = await send(network, { ...request, url, ownFields });
    const location = response.headers.get("location");
    if (response.status >= 300 && response.status < 400 && location !== null) {
      await discard(response);
      url = await redirectTarget(network, url, location);
      continue;
    }
    if (response.status === 200) return accepted(response, url);
    await discard(response);
    if ([400, 405, 406, 415, 501].includes(response.status)) return null;
    throw refusal(response, url, network.now());
  }
  throw unavailable(url, `redirects more than ${GATEWAY_REDIRECTS_MAX} times`);
}

async function send(network: Network, request: GatewayRequest): Promise<Response> {
  const { url, accept, ownFields, signal } = request;
  try {
    return await network.fetch(url, {
      // The hash is of the plain bytes, and a coding could turn a small answer into a large one.
      headers: { accept, "accept-encoding": "identity", ...ownFields },
      redirect: "manual",
      signal,
    });
  } catch (cause) {
    signal.throwIfAborted();
    throw unavailable(url, `cannot be reached: ${whyUnreachable(cause)}`, cause);
  }
}

async function accepted(response: Response, url: URL): Promise<GatewayAnswer> {
  const coding = response.headers.get("content-encoding") ?? "identity";
  if (coding !== "identity") {
    await discard(response);
    throw unavailable(url, `answers with content coding ${JSON.stringify(coding)}`);
  }
  const contentType = (response.headers.get("content-type") ?? "").toLowerCase();
  return { contentType, body: response.body ?? new Blob([]).stream() };
}

/**
 * The URL behind a Location header, if we may go there: never to link-local or metadata addresses,
 * never from the public internet into a private network, never from https to http.
 */
async function redirectTarget(network: Network, from: URL, location: string): Promise<URL> {
  if (!URL.canParse(location, from)) throw unavailable(from, "redirects to no URL");
  const to = new URL(location, from);
  if (to.origin === from.origin) return to;
  if (to.protocol !== "https:" && (to.protocol !== "http:" || from.protocol === "https:")) {
    throw unavailable(from, `redirects from ${from.protocol} to ${to.protocol}`);
  }
  if (to.username !== "" || to.password !== "") {
    throw unavailable(from, "redirects with a password");
  }
  const reach = await reachOrNever(network, to);
  if (reach === "never") throw unavailable(from, "redirects to an address that is off limits");
  if (reach === "private" && (await reachOrNever(network, from)) === "public") {
    throw unavailable(from, "redirects from the internet into a private network");
  }
  return to;
}

async function reachOrNever(network: Network, url: URL) {
  try {
    return await reachOfHost(url.hostname, network.resolve);
  } catch (cause) {
    throw unavailable(url, `cannot be resolved: ${whyUnreachable(cause)}`, cause);
  }
}

function refusal(response: Response, url: URL, now: number): KhachapuriError {
  const { status } = response;
  // 412 is said by who was asked for what it has, and nothing else (`only-if-cached`).
  if ([404, 410, 412, 451].includes(status)) {
    return new KhachapuriError("not_found", `${url.host} does not have it (HTTP ${status})`);
  }
  if (status === 429 || status === 503) {
    const header = response.headers.get("retry-after");
    return new KhachapuriError("ipfs_unavailable", `${url.host} asks to wait (HTTP ${status})`, {
      retryAfterSeconds: parseRetryAfter(header, now) ?? BACKOFF_SECONDS[status],
    });
  }
  return unavailable(url, `answers HTTP ${status}`);
}

/**
 * `Retry-After` (RFC 9110 §10.2.3) in seconds, between 1 and our maximum.
 * @returns null without a header that makes sense
 */
export function parseRetryAfter(header: string | null, now: number): number | null {
  if (header === null) return null;
  // An HTTP date ends in GMT (RFC 9110 §5.6.7); Date.parse would take much else for a date.
  const date = header.endsWith(" GMT") ? Date.parse(header) : NaN;
  const seconds = /^\d+$/.test(header) ? Number(header) : (date - now) / 1_000;
  if (Number.isNaN(seconds)) return null;
  return Math.min(Math.max(Math.ceil(seconds), 1), GATEWAY_BACKOFF_SECONDS_MAX);
}

async function discard(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => {});
}

function unavailable(url: URL, what: string, cause?: unknown): KhachapuriError {
  return new KhachapuriError("ipfs_unavailable", `${url.host} ${what}`, { cause });
}

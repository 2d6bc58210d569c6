/**
 * Requests to a CA, in the place of acme-client's own: bounded in time and size, over TLS alone,
 * under the roots that the provider names, and with what the CA refuses in its words.
 */
import { KhachapuriError } from "../../errors.ts";
import { CA_ANSWER_BYTES_MAX, CA_ANSWER_TIMEOUT_MS } from "../../limits_of_certificates.ts";
import { whyUnreachable } from "../../unreachable.ts";
import type { Answer, RequestParts } from "./acme_client.d.ts";
import { kindOf, plain, readProblem, refusalOf, retryAfter } from "./problem.ts";

export interface CaRequestsOptions {
  readonly fetch: typeof fetch;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Ends what is under way. */
  readonly signal: AbortSignal;
  readonly timeoutMs?: number;
}

/** Section 6.1 asks for one. */
const USER_AGENT = "khachapuri acme-client";

export type CaRequest = (url: string, method: string, parts?: RequestParts) => Promise<Answer>;

/**
 * @returns an answer of success, or the one refusal that acme-client mends by itself (badNonce)
 * @throws KhachapuriError `no_certificate`
 */
export function caRequests(options: CaRequestsOptions): CaRequest {
  return async (url, method, { headers = {}, data } = {}) => {
    const place = placeOf(url);
    const response = await send(options, place, {
      method: method.toUpperCase(),
      headers: { ...headers, "user-agent": USER_AGENT },
      ...(data === undefined ? {} : signed(headers, data)),
    });
    const text = await textOf(response, place);
    const answer: Answer = {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      data: dataOf(response, text, place),
    };
    if (response.status >= 200 && response.status < 300) return answer;
    throwUnlessNonce(answer, place, options.now());
    return answer;
  };
}

/** RFC 8555, section 6.2. */
function signed(headers: Record<string, string>, data: unknown): RequestInit {
  const type = { "content-type": "application/jose+json", "user-agent": USER_AGENT };
  return { headers: { ...headers, ...type }, body: JSON.stringify(data) };
}

function placeOf(url: string): URL {
  if (URL.canParse(url) && url.startsWith("https:")) return new URL(url);
  throw new KhachapuriError("no_certificate", `the CA names no https URL: ${plain(url)}`);
}

async function send(
  { fetch, signal, timeoutMs = CA_ANSWER_TIMEOUT_MS }: CaRequestsOptions,
  place: URL,
  init: RequestInit,
): Promise<Response> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  return await fetch(place, { ...init, redirect: "manual", signal: within }).catch((cause) => {
    const why = whyUnreachable(cause);
    throw new KhachapuriError("no_certificate", `${place.host} can't be reached: ${why}`, {
      cause,
      data: { problem: "unreachable" },
    });
  });
}

async function textOf(response: Response, place: URL): Promise<string> {
  let bytes = 0;
  let text = "";
  const decoder = new TextDecoder();
  try {
    for await (const chunk of response.body ?? []) {
      bytes += chunk.length;
      if (bytes > CA_ANSWER_BYTES_MAX) break;
      text += decoder.decode(chunk, { stream: true });
    }
  } catch (cause) {
    throw unfit(`${place.host} broke off: ${whyUnreachable(cause)}`, cause);
  }
  if (bytes <= CA_ANSWER_BYTES_MAX) return text;
  throw unfit(`${place.host} answers with more than ${CA_ANSWER_BYTES_MAX} bytes`);
}

function dataOf(response: Response, text: string, { host }: URL): unknown {
  const type = response.headers.get("content-type") ?? "";
  if (!/^application\/(?:problem\+)?json\b/i.test(type)) return text;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw unfit(`${host} answers ${response.status} with what is no JSON`, cause);
  }
}

function throwUnlessNonce({ status, headers, data }: Answer, { host }: URL, now: number): void {
  const retryAfterSeconds = retryAfter(headers["retry-after"], now);
  const problem = readProblem(data);
  if (problem && status === 400 && kindOf(problem) === "badNonce") return;
  if (problem) throw refusalOf(problem, `${host} refuses`, { retryAfterSeconds });
  throw new KhachapuriError("no_certificate", `${host} answers ${status}`, {
    retryAfterSeconds,
    data: { problem: status === 429 ? "rateLimited" : `status ${status}` },
  });
}

/** What no CA would answer. */
export function unfit(message: string, cause?: unknown): KhachapuriError {
  return new KhachapuriError("no_certificate", message, {
    cause,
    data: { problem: "malformed" },
  });
}

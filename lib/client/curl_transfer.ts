/** From a command line to the answer that is shown: redirects (-L), tries (--retry), -m. */
import { KhachapuriError } from "../errors.ts";
import { pause } from "../pause.ts";
import type { CurlCommand, CurlRetry } from "./curl_command.ts";
import { redirectedRequest, redirectUrl } from "./curl_redirect.ts";
import { type WireRequest, wireRequest } from "./curl_request.ts";
import type { CurlAnswer } from "./curl_send.ts";
import { type CurlUrl, originOf } from "./curl_url.ts";

/** Makes one request and brings its answer: over the network, or by a program in the sandbox. */
export type Exchange = (request: WireRequest, signal: AbortSignal | null) => Promise<CurlAnswer>;

export interface TransferHooks {
  /** Called with each answer's head, of redirects too, before its body is read. */
  onAnswer(request: WireRequest, answer: CurlAnswer): void | Promise<void>;
  onRetry(why: string, waitMs: number): void;
  sleep?: (ms: number) => Promise<void>;
}

export interface Transferred {
  request: WireRequest;
  answer: CurlAnswer;
  redirects: number;
  /** Where a redirect that was not followed leads; null without, or to where none can be. */
  redirectUrl: CurlUrl | null;
  /** All answers' heads, bytes; and all requests' heads. */
  headBytes: number;
  requestBytes: number;
  /** `performance.now()` when it began, and when the last hop did. */
  beganAt: number;
  hopAt: number;
  /** Aborts when -m is over, with the error to end in. */
  signal: AbortSignal | null;
}

/** Statuses that may be gone a moment later (curl(1), --retry). */
const TRANSIENT: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);
const RETRY_MS = 1_000;
const RETRY_LONGEST_MS = 600_000;

/**
 * Sends what a command line asks for to `url`.
 * @throws KhachapuriError `program_timeout` when -m is over, `provider_unavailable` for too many
 *   redirects; what `exchange` throws
 */
export async function transfer(
  command: CurlCommand,
  url: CurlUrl,
  exchange: Exchange,
  hooks: TransferHooks,
): Promise<Transferred> {
  const { retry, maxTimeMs } = command.transfer;
  const startedAt = performance.now();
  for (let tries = 0;; tries++) {
    const signal = maxTimeMs === null ? null : deadline(maxTimeMs);
    const outcome = await follow(command, url, exchange, hooks, signal).catch((error: unknown) => {
      return { error: signal?.aborted ? signal.reason : error };
    });
    const again = tries < retry.max ? reasonToRetry(outcome, retry) : null;
    const waitMs = retry.delayMs ?? Math.min(RETRY_MS * 2 ** tries, RETRY_LONGEST_MS);
    const isLate = retry.timeMs !== null && performance.now() - startedAt + waitMs > retry.timeMs;
    if (again === null || isLate) {
      if ("error" in outcome) throw outcome.error;
      return outcome;
    }
    if (!("error" in outcome)) await outcome.answer.body.cancel();
    hooks.onRetry(again, waitMs);
    await (hooks.sleep ?? pause)(waitMs);
  }
}

async function follow(
  { request: asked, transfer: { redirects } }: CurlCommand,
  start: CurlUrl,
  exchange: Exchange,
  hooks: TransferHooks,
  signal: AbortSignal | null,
): Promise<Transferred> {
  const beganAt = performance.now();
  let [url, request, headBytes, requestBytes] = [start, asked, 0, 0];
  for (let hops = 0;; hops++) {
    const hopAt = performance.now();
    const wire = wireRequest(request, url);
    const answer = await exchange(wire, signal);
    await hooks.onAnswer(wire, answer);
    headBytes += headSize(answer.fields, `HTTP/1.1 ${answer.status} ${answer.reason}`);
    requestBytes += headSize(wire.fields, `${wire.method} ${wire.target} HTTP/1.1`);
    const next = redirects === null ? null : redirectUrl(answer, url, request.isPathAsIs);
    if (next === null || redirects === null) {
      const sizes = { headBytes, requestBytes };
      return {
        request: wire,
        answer,
        redirects: hops,
        redirectUrl: unfollowed(answer, url),
        ...sizes,
        beganAt,
        hopAt,
        signal,
      };
    }
    await answer.body.cancel();
    if (hops >= redirects.max) {
      throw new KhachapuriError("provider_unavailable", `more than ${redirects.max} redirects`, {
        hints: ["--max-redirs N allows more"],
      });
    }
    const isElsewhere = originOf(next) !== originOf(start);
    request = redirectedRequest(request, answer.status, { isElsewhere, redirects });
    url = next;
  }
}

function unfollowed(answer: CurlAnswer, url: CurlUrl): CurlUrl | null {
  try {
    return redirectUrl(answer, url, false);
  } catch (error) {
    if (error instanceof KhachapuriError) return null;
    throw error;
  }
}

/** Why a try is worth another; null when it is not. */
function reasonToRetry(outcome: Transferred | { error: unknown }, { when }: CurlRetry) {
  if (!("error" in outcome)) {
    const { status } = outcome.answer;
    const isWorth = TRANSIENT.has(status) || (when === "any error" && status >= 400);
    return isWorth ? `the answer was ${status}` : null;
  }
  if (!(outcome.error instanceof KhachapuriError)) return null;
  const { code, shortMessage } = outcome.error;
  const isRefused = code === "provider_unavailable" && when === "refused too";
  return code === "program_timeout" || isRefused || when === "any error" ? shortMessage : null;
}

/** Aborts with the error that -m ends in. */
function deadline(ms: number): AbortSignal {
  const controller = new AbortController();
  const late = new KhachapuriError("program_timeout", `no answer within ${ms} ms (-m)`);
  Deno.unrefTimer(setTimeout(() => controller.abort(late), ms));
  return controller.signal;
}

function headSize(fields: WireRequest["fields"], start: string): number {
  const lines = [start, ...fields.map(([name, value]) => `${name}: ${value}`), "", ""];
  return new TextEncoder().encode(lines.join("\r\n")).length;
}

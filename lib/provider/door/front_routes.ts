/** Paths for everybody: what is offered here, on which terms, and how the provider is. */
import type { Hex } from "viem";
import { KhachapuriError } from "../../errors.ts";
import { acceptsOf } from "../call/accepts.ts";
import { offeringJson } from "../http/page.ts";
import { offeringHtml } from "../http/page_html.ts";
import { metricsText } from "../metrics/metrics.ts";
import { jsonResponse } from "./json.ts";
import type { RouteParts } from "./parts.ts";

export function frontPage({ offering, money }: RouteParts, request: Request): Promise<Response> {
  const wantsHtml = request.headers.get("accept")?.includes("text/html") ?? false;
  if (!wantsHtml) {
    const accepts = acceptsOf(money.schemes)(undefined);
    return Promise.resolve(jsonResponse(offeringJson(offering, accepts)));
  }
  const headers = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    vary: "accept",
  };
  return Promise.resolve(new Response(offeringHtml(offering), { headers }));
}

export async function health({ health, gate, programs }: RouteParts): Promise<Response> {
  const trouble = await health();
  const runs = gate.slots.busy();
  const sandboxes = programs.sandboxes.open();
  if (trouble === null) return jsonResponse({ ok: true, runs, sandboxes });
  return jsonResponse({ ok: false, reason: trouble, runs, sandboxes }, 503);
}

export async function metrics(parts: RouteParts): Promise<Response> {
  const headers = {
    "content-type": "text/plain; version=0.0.4; charset=utf-8",
    "cache-control": "no-store",
  };
  return new Response(await metricsText(parts.metrics), { headers });
}

/** The newest terms, or by `?hash=0x…` any that the provider still stands by. */
export function terms(parts: RouteParts, _request: Request, url: URL): Promise<Response> {
  const hash = url.searchParams.get("hash") ?? parts.offering.termsHashes[0]!;
  const text = parts.terms.get(hash as Hex);
  if (!text) throw new KhachapuriError("not_found", "no terms with this hash are offered here");
  const headers = { "content-type": "text/plain; charset=utf-8", "x-terms-hash": hash };
  return Promise.resolve(new Response(text, { headers }));
}

/** Paths for everybody: what is offered here, on which terms, and how the provider is. */
import type { Hex } from "viem";
import { KhachapuriError } from "../../errors.ts";
import { hasInterpreter } from "../../spec/start_facts.ts";
import { acceptsOf } from "../call/accepts.ts";
import { documentAnswer } from "../http/document.ts";
import type { HeaderField } from "../http/header_rules.ts";
import { offeringJson } from "../http/page.ts";
import { offeringPage } from "../http/page_html.ts";
import { prefersHtml } from "../http/prefers_html.ts";
import type { Answer, HttpRequest } from "../http/request.ts";
import { metricsText } from "../metrics/metrics.ts";
import { jsonAnswer } from "./json.ts";
import type { RouteParts } from "./parts.ts";

/** In JSON it answers besides, by `?runtime=…`, whether programs find one that no table lists. */
export async function frontPage(
  { offering, money, programs }: RouteParts,
  request: HttpRequest,
): Promise<Answer> {
  const runtimes = await programs.runtimes();
  const accepts = acceptsOf(money.schemes)({});
  if (!wantsHtml(request)) {
    const asked = new URLSearchParams(request.query ?? "").get("runtime");
    const told = asked === null ? {} : { runtimeFound: await hasInterpreter(asked) };
    return jsonAnswer({ ...offeringJson(offering, accepts, runtimes), ...told });
  }
  return documentAnswer(offeringPage(offering, runtimes, accepts), [["vary", "accept"]]);
}

/** Whether a person asks, with a browser. */
export function wantsHtml({ fields }: Pick<HttpRequest, "fields">): boolean {
  return prefersHtml(fields.get("accept"));
}

export async function health({ health, gate, programs }: RouteParts): Promise<Answer> {
  const trouble = await health();
  const runs = gate.slots.busy();
  const sandboxes = programs.sandboxes.open();
  if (trouble === null) return jsonAnswer({ ok: true, runs, sandboxes });
  return jsonAnswer({ ok: false, reason: trouble, runs, sandboxes }, 503);
}

/** Whether this process takes calls; nothing is asked for it. */
export function ready({ readiness }: RouteParts): Promise<Answer> {
  const { state } = readiness;
  if (readiness.isReady()) return Promise.resolve(jsonAnswer({ ready: true, state }));
  return Promise.resolve(jsonAnswer({ ready: false, state }, 503));
}

export async function metrics(parts: RouteParts, request: HttpRequest): Promise<Answer> {
  parts.metricsFor.assertReader(request);
  const headers: HeaderField[] = [
    ["content-type", "text/plain; version=0.0.4; charset=utf-8"],
    ["cache-control", "no-store"],
  ];
  return { status: 200, headers, body: bytesOf(await metricsText(parts.metrics)) };
}

/** The newest terms, or by `?hash=0x…` any that the provider still stands by. */
export function terms(parts: RouteParts, request: HttpRequest): Promise<Answer> {
  const hash = new URLSearchParams(request.query ?? "").get("hash") ??
    parts.offering.termsHashes[0]!;
  const text = parts.terms.get(hash as Hex);
  if (!text) throw new KhachapuriError("not_found", "no terms with this hash are offered here");
  const headers: HeaderField[] = [
    ["content-type", "text/plain; charset=utf-8"],
    ["x-terms-hash", hash],
  ];
  return Promise.resolve({ status: 200, headers, body: text });
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

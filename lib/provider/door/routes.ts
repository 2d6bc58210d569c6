/** Request → Response: the provider's own paths, and everything else to the deployments. */
import type { CID } from "multiformats/cid";
import * as v from "valibot";
import type { Address, Hex } from "viem";
import { formatCid, parseCid } from "../../cid.ts";
import { asKhachapuriError, KhachapuriError } from "../../errors.ts";
import { CONTROL_BODY_BYTES_MAX } from "../../limits.ts";
import {
  decodePaymentHeader,
  depositFromJson,
  PAYMENT_SIGNATURE_HEADER,
} from "../../payment_header.ts";
import { UINT128_MAX } from "../../permit.ts";
import { receiptToJson } from "../../receipt.ts";
import { addressShape, parseJson, parseShape } from "../../shape.ts";
import {
  isOwnerRequestValid,
  type OwnerQuestion,
  type OwnerRequest,
  parseOwnerRequest,
} from "../../spec/owner_request.ts";
import { isStopSigned, parseStopRequest } from "../../spec/stop.ts";
import { type Caller, type CallParts, handleCall } from "../call/call.ts";
import { failureOf } from "../http/failure.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { type Counter, type Metric, metricsText } from "../metrics/metrics.ts";
import { refuseServiceWorker, targetOf } from "../http/target.ts";
import { type Offering, offeringHtml, offeringJson } from "../http/page.ts";
import { RECEIPT_PREFIX } from "../money/receipts.ts";
import type { Settlement } from "../settlement/settlement.ts";

export interface RouteParts extends CallParts {
  offering: Offering;
  /** Terms texts by hash, newest first. */
  terms: ReadonlyMap<Hex, Uint8Array<ArrayBuffer>>;
  /** Whether new calls could be served now; the reason when not. */
  health(): Promise<string | null>;
  /** Whose signature may ask for a settlement now. */
  operator: Address;
  settlement: Pick<Settlement, "settleNow">;
  ledger: Pick<Ledger, "unsettled">;
  responses: Counter;
  metrics: readonly Metric[];
}

const onboardShape = v.strictObject({ payer: addressShape, deposit: v.unknown() });

type Handler = (parts: RouteParts, request: Request, url: URL) => Promise<Response>;

const ROUTES: Readonly<Record<string, Readonly<Record<string, Handler>>>> = {
  "/": { GET: frontPage },
  "/healthz": { GET: health },
  "/metrics": { GET: metrics },
  "/lane": { GET: lane },
  "/terms": { GET: terms },
  "/onboard": { POST: onboard },
  "/settle": { POST: settle },
  "/stop": { POST: stop },
  "/logs": { POST: logs },
  "/deployments": { POST: deployments },
};

/** The provider as one function; it never throws. */
export function createRoutes(parts: RouteParts) {
  return async (request: Request, caller: Caller): Promise<Response> => {
    const response = await route(parts, request, caller).catch((thrown) =>
      failure(parts, request, asKhachapuriError(thrown))
    );
    parts.responses.add({ status: String(response.status) });
    return response;
  };
}

async function route(parts: RouteParts, request: Request, caller: Caller): Promise<Response> {
  const url = URL.parse(request.url);
  if (!url) throw new KhachapuriError("invalid_input", "the request's Host or target makes no URL");
  const host = request.headers.get("host") ?? url.host;
  const target = targetOf(host, url.pathname, parts.webDomain.hostname);
  if (target.form !== "provider") {
    refuseServiceWorker(target, request.headers);
    return await handleCall(parts, target, url.search, request, caller);
  }
  const handlers = handlersAt(target.path);
  if (!handlers) {
    throw new KhachapuriError("not_found", "there is nothing at this path", {
      hints: ["call a deployment at /{cid}", "see / for what this provider offers"],
    });
  }
  const method = request.method === "HEAD" ? "GET" : request.method;
  const handler = handlers[method];
  if (handler) return await handler(parts, request, url);
  const allow = Object.keys(handlers).join(", ");
  throw new KhachapuriError("method_not_allowed", `this path takes ${allow}`, { data: { allow } });
}

function handlersAt(path: string): Readonly<Record<string, Handler>> | null {
  if (path.startsWith(RECEIPT_PREFIX)) return { GET: receipt };
  return Object.hasOwn(ROUTES, path) ? ROUTES[path]! : null;
}

function frontPage({ offering }: RouteParts, request: Request): Promise<Response> {
  const wantsHtml = request.headers.get("accept")?.includes("text/html") ?? false;
  if (!wantsHtml) return Promise.resolve(json(offeringJson(offering)));
  const headers = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    vary: "accept",
  };
  return Promise.resolve(new Response(offeringHtml(offering), { headers }));
}

async function health(parts: RouteParts): Promise<Response> {
  const trouble = await parts.health();
  const runs = parts.slots.busy();
  const sandboxes = parts.sandboxes.open();
  if (trouble === null) return json({ ok: true, runs, sandboxes });
  return json({ ok: false, reason: trouble, runs, sandboxes }, 503);
}

function metrics(parts: RouteParts): Promise<Response> {
  const headers = {
    "content-type": "text/plain; version=0.0.4; charset=utf-8",
    "cache-control": "no-store",
  };
  return Promise.resolve(new Response(metricsText(parts.metrics), { headers }));
}

/** Whoever has the address may see it: it was given to the caller alone. */
async function receipt(parts: RouteParts, _request: Request, url: URL): Promise<Response> {
  return json(receiptToJson(await parts.receipts.read(url.pathname)));
}

/** A lane's count, for whoever shows a permit of it; one for no credit will do. */
async function lane(parts: RouteParts, request: Request): Promise<Response> {
  const { us } = parts;
  const header = request.headers.get(PAYMENT_SIGNATURE_HEADER);
  if (header === null) {
    throw new KhachapuriError("payment_required", "a lane's count is its payer's alone", {
      hints: [`send any permit of the lane in ${PAYMENT_SIGNATURE_HEADER}`],
    });
  }
  const { permit } = decodePaymentHeader(header, us);
  // Other providers of a deployment have its owner's: it tells them nothing of this one.
  if (permit.credits === UINT128_MAX) {
    throw new KhachapuriError("payment_required", "this is a deployment's permit", {
      hints: ["any other of the lane will do, one over no credit too"],
    });
  }
  const { payer, lane } = permit;
  const bill = { source: "caller", payer, lane, permit, price: us.price } as const;
  const count = await parts.credits.countOf({ ...bill, deployment: "", deposit: null });
  return json({ payer, lane, cumulative: String(count) });
}

/** A payer's signed deposit and allowance, without a call. */
async function onboard(parts: RouteParts, request: Request): Promise<Response> {
  const body = await bodyJson(request);
  const asked = parseShape(onboardShape, body, "request body", "invalid_input");
  const transaction = await parts.onboarding.relay(asked.payer, depositFromJson(asked.deposit));
  return json({ payer: asked.payer, transaction });
}

/** Settles what is due now; for the operator of this machine. */
async function settle(parts: RouteParts, request: Request): Promise<Response> {
  const { owner } = await ownerRequest(parts, request, "settle");
  if (owner !== parts.operator && owner !== parts.us.provider) throw notOwner();
  await parts.settlement.settleNow();
  return json({ unsettled: String(parts.ledger.unsettled()) });
}

/** The newest terms, or by `?hash=0x…` any that the provider still stands by. */
function terms(parts: RouteParts, _request: Request, url: URL): Promise<Response> {
  const hash = url.searchParams.get("hash") ?? parts.offering.terms[0]!;
  const text = parts.terms.get(hash as Hex);
  if (!text) throw new KhachapuriError("not_found", "no terms with this hash are offered here");
  const headers = { "content-type": "text/plain; charset=utf-8", "x-terms-hash": hash };
  return Promise.resolve(new Response(text, { headers }));
}

async function stop(parts: RouteParts, request: Request): Promise<Response> {
  const { cid, signature } = parseStopRequest(await bodyJson(request));
  const deployment = await unstopped(parts, parseCid(cid));
  if (!deployment) return json({ stopped: cid });
  const { spec } = deployment;
  const question = { id: spec.id, provider: parts.us.provider };
  if (!await isStopSigned(question, signature, spec.owner)) throw notOwner();
  parts.registrations.stop(spec);
  await parts.sandboxes.end(deployment.cid);
  parts.log.info("deployment stopped by its owner", { cid });
  return json({ stopped: cid });
}

/** null when it is stopped already: stopping twice is as good as once. */
async function unstopped(parts: RouteParts, cid: CID) {
  try {
    return await parts.deployments.get(cid);
  } catch (error) {
    if (error instanceof KhachapuriError && error.code === "stopped") return null;
    throw error;
  }
}

async function logs(parts: RouteParts, request: Request): Promise<Response> {
  const { subject, owner } = await ownerRequest(parts, request, "logs");
  const cid = formatCid(parseCid(subject));
  const owned = parts.registrations.ofOwner(owner).some((row) => row.cid === cid);
  if (!owned) {
    throw new KhachapuriError("not_found", "this owner has no such deployment here", {
      hints: ["a provider knows a deployment from its first call on"],
    });
  }
  return json({ cid, runs: parts.registrations.logs(cid) });
}

async function deployments(parts: RouteParts, request: Request): Promise<Response> {
  const { owner } = await ownerRequest(parts, request, "deployments");
  return json({ owner, deployments: parts.registrations.ofOwner(owner) });
}

async function ownerRequest(
  parts: RouteParts,
  request: Request,
  action: OwnerQuestion["action"],
): Promise<OwnerRequest> {
  const asked = parseOwnerRequest(await bodyJson(request));
  const nowSeconds = BigInt(Math.floor(parts.now() / 1000));
  const { provider } = parts.us;
  if (!await isOwnerRequestValid(asked, { action, provider }, nowSeconds)) throw notOwner();
  return asked;
}

function notOwner(): KhachapuriError {
  return new KhachapuriError("invalid_signature", "this is not the owner's signature", {
    hints: ["sign with the key that deployed it; check that the clocks agree"],
  });
}

async function bodyJson(request: Request): Promise<unknown> {
  const text = await boundedText(request);
  return parseJson(text, "request body", "invalid_input");
}

async function boundedText(request: Request): Promise<string> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.length;
    if (bytes > CONTROL_BODY_BYTES_MAX) {
      const limit = `this path takes at most ${CONTROL_BODY_BYTES_MAX} bytes`;
      throw new KhachapuriError("body_too_large", limit);
    }
    chunks.push(chunk);
  }
  return await new Blob(chunks).text();
}

function failure(parts: RouteParts, request: Request, error: KhachapuriError): Response {
  if (error.code === "internal") parts.log.error("request failed", { error });
  const path = URL.parse(request.url)?.pathname ?? "/";
  const { status, headers, body } = failureOf(error, parts.offering.offer, path);
  return new Response(body, { status, headers });
}

function json(value: unknown, status = 200): Response {
  const headers = {
    "content-type": "application/json",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  };
  return new Response(JSON.stringify(value, null, 2) + "\n", { status, headers });
}

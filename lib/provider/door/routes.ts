/** Request → answer: the provider's own paths, and everything else to the deployments. */
import { KhachapuriError } from "../../errors.ts";
import { PUSH_CAR_BYTES_MAX } from "../../limits_of_content.ts";
import { assertSizes, handleCall } from "../call/handle.ts";
import { CONTENT_PREFIX } from "../content/gateway_request.ts";
import { deploymentPreflight, isPreflight, preflightAnswer, readable } from "../http/cors.ts";
import { asServingError, failureOf } from "../http/failure.ts";
import { refuseServiceWorker } from "../http/isolation.ts";
import type { Answer, Handle, HttpRequest } from "../http/request.ts";
import { PAY_PATH } from "../http/pay_path.ts";
import { targetOf } from "../http/target.ts";
import { RECEIPT_PREFIX } from "../money/receipts.ts";
import { card, CARD_PREFIX } from "./card.ts";
import { content } from "./content_routes.ts";
import { changeName, NAMES_PREFIX, showName } from "./name_routes.ts";
import { pointedAt } from "./named_target.ts";
import { frontPage, health, metrics, terms } from "./front_routes.ts";
import { dryRun } from "./dry_run_route.ts";
import { openapi } from "./openapi_route.ts";
import { deployments, logs, renew, settle, stop } from "./owner_routes.ts";
import { type Asked, askingFor } from "./asking_for.ts";
import type { RouteHandler, RouteParts } from "./parts.ts";
import { pay } from "./pay_routes.ts";
import { lane, onboard, receipt, relay, relayOffer } from "./payer_routes.ts";
import { push, PUSH_PATH, pushOffset } from "./push_routes.ts";

const ROUTES: Readonly<Record<string, Readonly<Record<string, RouteHandler>>>> = {
  "/": { GET: frontPage },
  "/healthz": { GET: health },
  "/metrics": { GET: metrics },
  "/lane": { GET: lane },
  "/terms": { GET: terms },
  "/openapi.json": { GET: openapi },
  "/onboard": { POST: onboard },
  [PAY_PATH]: { GET: pay },
  "/relay": { GET: relayOffer, POST: relay },
  "/settle": { POST: settle },
  "/stop": { POST: stop },
  "/permit": { POST: renew },
  "/logs": { POST: logs },
  "/deployments": { POST: deployments },
  "/names": { POST: changeName },
  "/dry-run": { POST: dryRun },
  [PUSH_PATH]: { HEAD: pushOffset, POST: push },
};

/** The provider as one function; it never throws. */
export function createRoutes(parts: RouteParts): Handle {
  return async (request) => {
    const answer = await route(parts, request).catch((thrown) =>
      failure(parts, asServingError(thrown), { form: "provider" }, request)
    );
    parts.responses.add({ status: String(answer.status) });
    return answer;
  };
}

async function route(parts: RouteParts, request: HttpRequest): Promise<Answer> {
  const { names, programs: { webDomain } } = parts;
  const asked = targetOf(request.host, request.path, webDomain.hostname, names?.labels);
  const target = asked.form === "name" ? await pointedAt(names!, asked, request) : asked;
  if (target.form === "provider") return readable(await ownPath(parts, target.path, request));
  if (isPreflight(request.method, request.fields)) {
    const known = parts.programs.deployments.known(target.cid);
    return deploymentPreflight(request.fields, known && known.spec);
  }
  refuseServiceWorker(target, request.fields);
  return await handleCall(parts, target, request).catch((thrown) =>
    failure(parts, asServingError(thrown), target, request)
  );
}

async function ownPath(parts: RouteParts, path: string, request: HttpRequest): Promise<Answer> {
  assertSizes(request, path === PUSH_PATH ? PUSH_CAR_BYTES_MAX : parts.gate.requestBytes);
  // RFC 9110 section 9.3.7: of the server as a whole.
  if (path === "*") return preflightAnswer(request.fields, [["allow", "GET, HEAD, POST, OPTIONS"]]);
  const handlers = handlersAt(path);
  if (!handlers) {
    throw new KhachapuriError("not_found", "there is nothing at this path", {
      hints: ["call a deployment at /{cid}", "see / for what this provider offers"],
    });
  }
  const isTaken = Object.hasOwn(handlers, request.method);
  const method = request.method === "HEAD" && !isTaken ? "GET" : request.method;
  const handler = Object.hasOwn(handlers, method) ? handlers[method] : undefined;
  if (handler) return await handler(parts, request);
  const takes = Object.keys(handlers);
  const allow = [...takes, ...(takes.includes("GET") ? ["HEAD"] : []), "OPTIONS"].join(", ");
  if (method === "OPTIONS") return preflightAnswer(request.fields, [["allow", allow]]);
  throw new KhachapuriError("method_not_allowed", `this path takes ${takes.join(", ")}`, { allow });
}

function handlersAt(path: string): Readonly<Record<string, RouteHandler>> | null {
  if (path.startsWith(RECEIPT_PREFIX)) return { GET: receipt };
  if (path.startsWith(CONTENT_PREFIX)) return { GET: content };
  if (path.startsWith(CARD_PREFIX)) return { GET: card };
  if (path.startsWith(NAMES_PREFIX)) return { GET: showName };
  return Object.hasOwn(ROUTES, path) ? ROUTES[path]! : null;
}

function failure(
  parts: RouteParts,
  error: KhachapuriError,
  target: Asked,
  request: HttpRequest,
): Answer {
  if (error.code === "internal") parts.records.log.error("request failed", { error });
  const isAsking = error.code === "payment_required";
  return failureOf(error, isAsking ? askingFor(parts, target, request) : null);
}

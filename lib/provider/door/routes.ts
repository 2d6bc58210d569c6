/** Request → Response: the provider's own paths, and everything else to the deployments. */
import { asKhachapuriError, KhachapuriError } from "../../errors.ts";
import { acceptsOf } from "../call/accepts.ts";
import { handleCall } from "../call/handle.ts";
import { isPreflight, preflightFields, READABLE } from "../http/cors.ts";
import { failureOf } from "../http/failure.ts";
import type { HeaderField } from "../http/header_rules.ts";
import { refuseServiceWorker } from "../http/isolation.ts";
import { targetOf } from "../http/target.ts";
import { RECEIPT_PREFIX } from "../money/receipts.ts";
import { frontPage, health, metrics, terms } from "./front_routes.ts";
import type { Handle } from "./listener.ts";
import { deployments, logs, renew, settle, stop } from "./owner_routes.ts";
import type { RouteHandler, RouteParts } from "./parts.ts";
import { lane, onboard, receipt, relay, relayOffer } from "./payer_routes.ts";

const ROUTES: Readonly<Record<string, Readonly<Record<string, RouteHandler>>>> = {
  "/": { GET: frontPage },
  "/healthz": { GET: health },
  "/metrics": { GET: metrics },
  "/lane": { GET: lane },
  "/terms": { GET: terms },
  "/onboard": { POST: onboard },
  "/relay": { GET: relayOffer, POST: relay },
  "/settle": { POST: settle },
  "/stop": { POST: stop },
  "/permit": { POST: renew },
  "/logs": { POST: logs },
  "/deployments": { POST: deployments },
};

/** The provider as one function; it never throws. */
export function createRoutes(parts: RouteParts): Handle {
  return async (request, remoteAddress) => {
    const response = await route(parts, request, remoteAddress).catch((thrown) =>
      failure(parts, request, asKhachapuriError(thrown))
    );
    parts.responses.add({ status: String(response.status) });
    return response;
  };
}

async function route(
  parts: RouteParts,
  request: Request,
  remoteAddress: string,
): Promise<Response> {
  const url = URL.parse(request.url);
  if (!url) throw new KhachapuriError("invalid_input", "the request's Host or target makes no URL");
  const host = request.headers.get("host") ?? url.host;
  const target = targetOf(host, url.pathname, parts.programs.webDomain.hostname);
  if (target.form === "provider") {
    return readable(await ownPath(parts, target.path, request, url, remoteAddress));
  }
  if (isPreflight(request.method, request.headers)) return readable(preflight(request));
  refuseServiceWorker(target, request.headers);
  return await handleCall(parts, target, searchOf(url), request, remoteAddress);
}

async function ownPath(
  parts: RouteParts,
  path: string,
  request: Request,
  url: URL,
  remoteAddress: string,
): Promise<Response> {
  const handlers = handlersAt(path);
  if (!handlers) {
    throw new KhachapuriError("not_found", "there is nothing at this path", {
      hints: ["call a deployment at /{cid}", "see / for what this provider offers"],
    });
  }
  const method = request.method === "HEAD" ? "GET" : request.method;
  const handler = handlers[method];
  if (handler) return await handler(parts, request, url, remoteAddress);
  const takes = Object.keys(handlers);
  const allow = [...takes, ...(takes.includes("GET") ? ["HEAD"] : []), "OPTIONS"].join(", ");
  if (method === "OPTIONS") return preflight(request, [["allow", allow]]);
  throw new KhachapuriError("method_not_allowed", `this path takes ${takes.join(", ")}`, { allow });
}

/** The answer to an OPTIONS that runs no program, and costs nobody anything. */
function preflight({ headers }: Request, fields: readonly HeaderField[] = []): Response {
  return new Response(null, { status: 204, headers: [...fields, ...preflightFields(headers)] });
}

/** Pages of other origins may read it. */
function readable(response: Response): Response {
  for (const [name, value] of READABLE) response.headers.set(name, value);
  return response;
}

/** `URL.search` does not tell an empty query from none. */
function searchOf({ href }: URL): string {
  const at = href.indexOf("?");
  return at < 0 ? "" : href.slice(at);
}

function handlersAt(path: string): Readonly<Record<string, RouteHandler>> | null {
  if (path.startsWith(RECEIPT_PREFIX)) return { GET: receipt };
  return Object.hasOwn(ROUTES, path) ? ROUTES[path]! : null;
}

function failure(parts: RouteParts, request: Request, error: KhachapuriError): Response {
  if (error.code === "internal") parts.records.log.error("request failed", { error });
  const path = URL.parse(request.url)?.pathname ?? "/";
  const { status, headers, body } = failureOf(error, acceptsOf(parts.money.schemes), path);
  return new Response(body, { status, headers });
}

/** Request → answer: the provider's own paths, and everything else to the deployments. */
import { type ErrorCode, KhachapuriError } from "../../errors.ts";
import { noteCall } from "../../leisure.ts";
import { PUSH_CAR_BYTES_MAX } from "../../limits_of_content.ts";
import { assertSizes, handleCall } from "../call/handle.ts";
import { CONTENT_PREFIX } from "../content/gateway_request.ts";
import { deploymentPreflight, isPreflight, preflightAnswer, readable } from "../http/cors.ts";
import { asServingError, failureOf } from "../http/failure.ts";
import { refuseServiceWorker } from "../http/isolation.ts";
import type { Answer, Handle, HttpRequest } from "../http/request.ts";
import { PAY_PATH } from "../http/pay_path.ts";
import { type Target, targetOf } from "../http/target.ts";
import type { RequestKind } from "../metrics/request_usage.ts";
import { RECEIPT_PREFIX } from "../money/receipts.ts";
import { card, CARD_PREFIX } from "./card.ts";
import { content } from "./content_routes.ts";
import { changeName, NAMES_PREFIX, showName } from "./name_routes.ts";
import { pointedAt } from "./named_target.ts";
import { frontPage, health, metrics, ready, terms } from "./front_routes.ts";
import { dryRun } from "./dry_run_route.ts";
import { openapi } from "./openapi_route.ts";
import { deployments, logs, renew, settle, stop } from "./owner_routes.ts";
import { type Asked, askingFor } from "./asking_for.ts";
import type { RouteHandler, RouteParts } from "./parts.ts";
import { pay } from "./pay_routes.ts";
import { lane, onboard, receipt, relay, relayOffer } from "./payer_routes.ts";
import { push, PUSH_PATH, pushOffset } from "./push_routes.ts";

const RELAY_PATH = "/relay";

const ROUTES: Readonly<Record<string, Readonly<Record<string, RouteHandler>>>> = {
  "/": { GET: frontPage },
  "/healthz": { GET: health },
  "/readyz": { GET: ready },
  "/metrics": { GET: metrics },
  "/lane": { GET: lane },
  "/terms": { GET: terms },
  "/openapi.json": { GET: openapi },
  "/onboard": { POST: onboard },
  [PAY_PATH]: { GET: pay },
  [RELAY_PATH]: { GET: relayOffer, POST: relay },
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
    const begunAt = performance.now();
    // Who pushes waits for that very work.
    if (request.path !== PUSH_PATH) noteCall();
    const about: About = { kind: "own", code: null };
    const answer = await route(parts, request, about).catch((thrown) =>
      failure(parts, asServingError(thrown), { form: "provider" }, request, about)
    );
    const ms = performance.now() - begunAt;
    parts.requests.answered(answer.status, about.kind, about.code, ms);
    return answer;
  };
}

/** What a request turned out to be. */
interface About {
  kind: RequestKind;
  /** Why it was refused; null: it was not. */
  code: ErrorCode | null;
}

async function route(parts: RouteParts, request: HttpRequest, about: About): Promise<Answer> {
  const { names, programs: { webDomain } } = parts;
  const asked = targetOf(request.host, request.path, webDomain.hostname, names?.labels);
  assertNetwork(parts, asked, request);
  const target = asked.form === "name" ? await pointedAt(names!, asked, request) : asked;
  if (target.form === "provider") return readable(await ownPath(parts, target.path, request));
  about.kind = "call";
  if (isPreflight(request.method, request.fields)) {
    const known = parts.programs.deployments.known(target.cid);
    return deploymentPreflight(request.fields, known && known.spec);
  }
  refuseServiceWorker(target, request.fields);
  return await handleCall(parts, target, request).catch((thrown) =>
    failure(parts, asServingError(thrown), target, request, about)
  );
}

/**
 * A way out of the escrow is closed to nobody; the relay has bounds of its own. A deployment at a
 * host of its own may have a path of the same name, which is no such way.
 */
function assertNetwork(
  { gate: { welcome } }: RouteParts,
  { form, path }: Target,
  { sender }: HttpRequest,
): void {
  const isWayOut = form === "provider" && path === RELAY_PATH;
  if (!isWayOut) welcome.assertNetwork(sender.address);
}

async function ownPath(parts: RouteParts, path: string, request: HttpRequest): Promise<Answer> {
  assertSizes(request, path === PUSH_PATH ? PUSH_CAR_BYTES_MAX : parts.gate.requestBytes);
  // RFC 9110 section 9.3.7: of the server as a whole.
  if (path === "*") return preflightAnswer(request.fields, [["allow", "GET, HEAD, POST, OPTIONS"]]);
  const known = knownPath(path);
  if (!known) {
    throw new KhachapuriError("not_found", "there is nothing at this path", {
      hints: ["call a deployment at /{cid}", "see / for what this provider offers"],
    });
  }
  const { handlers } = known;
  const isTaken = Object.hasOwn(handlers, request.method);
  const method = request.method === "HEAD" && !isTaken ? "GET" : request.method;
  const handler = Object.hasOwn(handlers, method) ? handlers[method] : undefined;
  if (handler) return await counted(parts, known.name, () => handler(parts, request));
  const takes = Object.keys(handlers);
  const allow = [...takes, ...(takes.includes("GET") ? ["HEAD"] : []), "OPTIONS"].join(", ");
  if (method === "OPTIONS") return preflightAnswer(request.fields, [["allow", allow]]);
  throw new KhachapuriError("method_not_allowed", `this path takes ${takes.join(", ")}`, { allow });
}

async function counted(
  { requests }: RouteParts,
  name: string,
  handle: () => Promise<Answer>,
): Promise<Answer> {
  let isDone = false;
  try {
    const answer = await handle();
    isDone = true;
    return answer;
  } finally {
    requests.own(name, isDone);
  }
}

interface KnownPath {
  /** The path, or how it begins. */
  readonly name: string;
  readonly handlers: Readonly<Record<string, RouteHandler>>;
}

const PREFIXES: readonly KnownPath[] = [
  { name: RECEIPT_PREFIX, handlers: { GET: receipt } },
  { name: CONTENT_PREFIX, handlers: { GET: content } },
  { name: CARD_PREFIX, handlers: { GET: card } },
  { name: NAMES_PREFIX, handlers: { GET: showName } },
];

function knownPath(path: string): KnownPath | null {
  const begun = PREFIXES.find(({ name }) => path.startsWith(name));
  if (begun) return begun;
  return Object.hasOwn(ROUTES, path) ? { name: path, handlers: ROUTES[path]! } : null;
}

function failure(
  parts: RouteParts,
  error: KhachapuriError,
  target: Asked,
  request: HttpRequest,
  about: About,
): Answer {
  about.code = error.code;
  if (error.code === "internal") parts.records.log.error("request failed", { error });
  const isAsking = error.code === "payment_required";
  return failureOf(error, isAsking ? askingFor(parts, target, request) : null);
}

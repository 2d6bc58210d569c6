/** What a 402 asks of whoever asked, and where a person can pay it. */
import { acceptsOf } from "../call/accepts.ts";
import type { Asking, PaymentPlace } from "../http/failure.ts";
import { prefersHtml } from "../http/prefers_html.ts";
import type { HttpRequest } from "../http/request.ts";
import { resourceOf, visible } from "../http/resource.ts";
import type { DeploymentTarget } from "../http/target.ts";
import type { RouteParts } from "./parts.ts";

/** A deployment, or a path of the provider's own. */
export type Asked = Pick<DeploymentTarget, "form" | "cid" | "path"> | { readonly form: "provider" };

/**
 * Our own paths are no runs: what pays for one at once, as `exact` does, would buy nothing there,
 * and stock clients send it to whoever asks.
 */
export function askingFor(parts: RouteParts, target: Asked, request: HttpRequest): Asking {
  const { money, offering: { name }, programs: { webDomain } } = parts;
  const accepts = acceptsOf(money.schemes);
  const resource = resourceOf({ name, webDomain }, target, request);
  if (target.form !== "provider") {
    const isPerson = prefersHtml(request.fields.get("accept"));
    return { accepts, resource, page: isPerson ? placeOf(parts, target, request) : null };
  }
  const lasting: Asking["accepts"] = (about) =>
    accepts(about).filter(({ scheme }) => scheme !== "exact");
  const { description: _, mimeType: __, ...own } = resource;
  return { accepts: lasting, resource: own, page: null };
}

/** The payer's page is the provider's, whose own paths a deployment's host has not. */
function placeOf(
  { offering }: RouteParts,
  { form, cid, path }: Pick<DeploymentTarget, "form" | "cid" | "path">,
  request: HttpRequest,
): PaymentPlace {
  const query = request.query === null ? "" : `?${request.query}`;
  const call = visible((form === "path" ? request.path : `/${cid}${path}`) + query);
  const origin = form === "path" ? "" : offering.webDomain;
  return {
    provider: offering.name,
    payUrl: `${origin}/pay?call=${encodeURIComponent(call)}`,
  };
}

/** What a 402 asks of whoever asked, and where a person can pay it. */
import type { Resource } from "../../payment_required.ts";
import { acceptsOf } from "../call/accepts.ts";
import { exampleCall } from "../http/example_call.ts";
import type { Asking } from "../http/failure.ts";
import type { PaymentPlace } from "../http/payment_page.ts";
import { payPath } from "../http/pay_path.ts";
import { prefersHtml } from "../http/prefers_html.ts";
import type { HttpRequest } from "../http/request.ts";
import { resourceOf, visible } from "../http/resource.ts";
import type { DeploymentTarget } from "../http/target.ts";
import type { RouteParts } from "./parts.ts";
import { publicAbout } from "./public_about.ts";

type DeploymentAsked = Pick<DeploymentTarget, "form" | "cid" | "path">;

/** A deployment, or a path of the provider's own. */
export type Asked = DeploymentAsked | { readonly form: "provider" };

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
    return { accepts, resource, page: isPerson ? placeOf(parts, target, request, resource) : null };
  }
  const lasting: Asking["accepts"] = (about) =>
    accepts(about).filter(({ scheme }) => scheme !== "exact");
  const { description: _, mimeType: __, ...own } = resource;
  return { accepts: lasting, resource: own, page: null };
}

/**
 * The payer's page is the provider's, whose own paths a deployment's host has not. A domain of a
 * deployment's own does not say at whose provider it is, which our command line asks.
 */
function placeOf(
  parts: RouteParts,
  { form, cid, path }: DeploymentAsked,
  request: HttpRequest,
  { url }: Resource,
): PaymentPlace {
  const { name, webDomain } = parts.offering;
  const query = request.query === null ? "" : `?${request.query}`;
  const call = visible((form === "path" ? request.path : `/${cid}${path}`) + query);
  const origin = form === "path" ? "" : webDomain;
  return {
    provider: name,
    called: form === "domain" ? `${name}${call}` : url,
    example: exampleCall(publicAbout(parts, { cid, path })),
    payUrl: origin + payPath(call),
  };
}

/** What an owner says in public of a deployment that is open here, for pages that lead to it. */
import type { About } from "../../spec/about.ts";
import type { HttpRequest } from "../http/request.ts";
import { type DeploymentTarget, targetOf } from "../http/target.ts";
import { pointedAt } from "./named_target.ts";
import type { RouteParts } from "./parts.ts";

/**
 * It is said of the deployment's own path, as OpenAPI has it, and of none below. Nothing is fetched
 * for it: whoever was led to a page by a 402 or a card has had it opened.
 */
export function publicAbout(
  { programs: { deployments } }: RouteParts,
  { cid, path }: Pick<DeploymentTarget, "cid" | "path">,
): About | null {
  return path === "" || path === "/" ? deployments.known(cid)?.spec.about ?? null : null;
}

/** @param call path and query at the provider's own host; null comes of what is no deployment's */
export async function aboutCalled(
  parts: RouteParts,
  call: string,
  request: Pick<HttpRequest, "sender">,
): Promise<About | null> {
  const { names, programs: { webDomain } } = parts;
  const [path = ""] = call.split("?");
  try {
    const asked = targetOf(webDomain.host, path, webDomain.hostname, names?.labels);
    const target = asked.form === "name" ? await pointedAt(names!, asked, request) : asked;
    return target.form === "provider" ? null : publicAbout(parts, target);
  } catch {
    // The page says nothing of it; the call itself will.
    return null;
  }
}

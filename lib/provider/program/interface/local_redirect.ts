/** Local redirects of CGI programs (RFC 3875 section 6.2.2): which request one stands for. */
import { REQUEST_TARGET_BYTES_MAX } from "../../../limits.ts";
import type { ProgramRequest } from "./interface.ts";
import { mountPath } from "./meta_variables.ts";

/**
 * The request that the server makes of itself; null when the path is not the deployment's own: on
 * this call's credit nobody else's program runs, so the client has to ask for that itself. The path
 * is taken as one on the wire is, without resolving dots in it.
 */
export function redirectedRequest(
  request: ProgramRequest,
  location: string,
): ProgramRequest | null {
  // A fragment is for a client (section 6.2.3), and what is no URL is for nobody to follow.
  if (!/^\/[!"$-~]*$/.test(location) || location.length > REQUEST_TARGET_BYTES_MAX) return null;
  const [, path = "", query = null] = /^([^?]*)(?:\?(.*))?$/.exec(location) ?? [];
  const mount = mountPath(request);
  const below = path.slice(mount.length);
  if (!path.startsWith(mount) || (below !== "" && !below.startsWith("/"))) return null;
  return {
    ...request,
    method: request.method === "HEAD" ? "HEAD" : "GET",
    path: below,
    query,
    headers: request.headers.filter(([name]) => !isAboutBody(name)),
    hasBody: false,
    bodyBytes: null,
  };
}

function isAboutBody(name: string): boolean {
  return name.startsWith("content-") || ["digest", "expect", "repr-digest"].includes(name);
}

/** A request to a server, as tests vary it. */
import type { ServerRequest } from "../lib/provider/server/exchange.ts";

export function serverRequest(request: Partial<ServerRequest> = {}): ServerRequest {
  return {
    method: "GET",
    target: "/",
    fields: [["host", "example.org"]],
    body: null,
    bodyBytes: null,
    upgrade: null,
    ...request,
  };
}

/** `GET /openapi.json`: what can be called here, for who may have it already. */
import type { FieldReader } from "../http/fields.ts";
import type { Answer, HttpRequest } from "../http/request.ts";
import type { RouteParts } from "./parts.ts";

export function openapi({ openapi }: RouteParts, { fields }: HttpRequest): Promise<Answer> {
  const { body, etag } = openapi.current();
  const headers: Answer["headers"] = [
    // What is stopped is to be listed nowhere, so nobody shows it without asking.
    ["cache-control", "no-cache"],
    ["etag", etag],
    ["x-content-type-options", "nosniff"],
  ];
  if (isKnown(etag, fields)) return Promise.resolve({ status: 304, headers, body: null });
  headers.push(["content-type", "application/json"]);
  return Promise.resolve({ status: 200, headers, body });
}

/** RFC 9110 section 13.1.2. */
function isKnown(etag: string, fields: FieldReader): boolean {
  const known = (fields.get("if-none-match") ?? "").split(",").map((tag) => tag.trim());
  return known.some((tag) => tag === "*" || tag.replace(/^W\//, "") === etag);
}

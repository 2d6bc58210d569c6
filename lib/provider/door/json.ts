/** JSON in and out of the provider's own paths. */
import { Buffer } from "node:buffer";
import { KhachapuriError } from "../../errors.ts";
import { CONTROL_BODY_BYTES_MAX, CONTROL_BODY_TIMEOUT_MS } from "../../limits.ts";
import { parseJson } from "../../shape.ts";
import type { Answer, HttpRequest } from "../http/request.ts";

const encoder = new TextEncoder();

export function jsonAnswer(value: unknown, status = 200): Answer {
  return {
    status,
    headers: [
      ["content-type", "application/json"],
      ["cache-control", "no-store"],
      ["x-content-type-options", "nosniff"],
    ],
    body: encoder.encode(JSON.stringify(value, null, 2) + "\n"),
  };
}

/** @throws KhachapuriError `invalid_input`, `body_too_large` */
export async function readJson(
  { body }: Pick<HttpRequest, "body">,
  timeoutMs = CONTROL_BODY_TIMEOUT_MS,
): Promise<unknown> {
  const late = setTimeout(() => body?.cancel(), timeoutMs);
  try {
    return parseJson(await boundedText(body), "request body", "invalid_input");
  } finally {
    clearTimeout(late);
  }
}

async function boundedText(body: HttpRequest["body"]): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for (let chunk; (chunk = await body?.read() ?? null) !== null;) {
    bytes += chunk.length;
    if (bytes > CONTROL_BODY_BYTES_MAX) {
      const limit = `this path takes at most ${CONTROL_BODY_BYTES_MAX} bytes`;
      throw new KhachapuriError("body_too_large", limit);
    }
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}

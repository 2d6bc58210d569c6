/** JSON in and out of the provider's own paths. */
import { KhachapuriError } from "../../errors.ts";
import { CONTROL_BODY_BYTES_MAX } from "../../limits.ts";
import { parseJson } from "../../shape.ts";

export function jsonResponse(value: unknown, status = 200): Response {
  const headers = {
    "content-type": "application/json",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  };
  return new Response(JSON.stringify(value, null, 2) + "\n", { status, headers });
}

/** @throws KhachapuriError `invalid_input`, `body_too_large` */
export async function readJson(request: Request): Promise<unknown> {
  return parseJson(await boundedText(request), "request body", "invalid_input");
}

async function boundedText(request: Request): Promise<string> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.length;
    if (bytes > CONTROL_BODY_BYTES_MAX) {
      const limit = `this path takes at most ${CONTROL_BODY_BYTES_MAX} bytes`;
      throw new KhachapuriError("body_too_large", limit);
    }
    chunks.push(chunk);
  }
  return await new Blob(chunks).text();
}

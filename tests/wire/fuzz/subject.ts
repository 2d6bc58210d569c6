/** The provider's listener, whose every answer tells what it saw of the request. */
import { Buffer } from "node:buffer";
import type { HttpRequest } from "../../../lib/provider/http/request.ts";
import { openWire, textAnswer, type Wire } from "../../../worlds/wire.ts";
import type { SeenRequest } from "./compare.ts";

export function startSubject(): Promise<Wire> {
  return openWire(async (request) => {
    try {
      return textAnswer(JSON.stringify(await seen(request)));
    } catch (error) {
      return textAnswer((error as Error).message, 400);
    }
  });
}

async function seen(request: HttpRequest): Promise<SeenRequest> {
  const { protocol, method, path, query, host, fields } = request;
  const chunks: Uint8Array[] = [];
  for (let chunk; (chunk = await request.body?.read() ?? null) !== null;) chunks.push(chunk);
  const body = Buffer.concat(chunks).toString("latin1");
  return { protocol, method, path, query, host, fields: fields.list.flat(), body };
}

/**
 * Carries requests to the process that has the books by now: over a unix socket that only their
 * user can open, as HTTP/1.1, with a field that says who sent them. They arrive as if they had come
 * to that process itself.
 */
import { free } from "../../byte_source.ts";
import { asKhachapuriError, KhachapuriError } from "../../errors.ts";
import { failureOf } from "../http/failure.ts";
import { Fields } from "../http/fields.ts";
import { connectionOptions, type HeaderField } from "../http/header_rules.ts";
import type {
  Answer,
  AnswerStream,
  AnswerTunnel,
  Handle,
  HttpRequest,
  Protocol,
  Sender,
} from "../http/request.ts";
import { takesTrailers } from "../http/trailers.ts";
import type { Tunnel } from "../http/tunnel.ts";
import { ServerConnection } from "../server/connection.ts";
import type { ServerResponse } from "../server/exchange.ts";

/**
 * Says who sent a request that was carried: its address, scheme and protocol, and whether it takes
 * trailers, as TE is each connection's own.
 */
export const CARRIED_FIELD = "khachapuri-carried";

/** What frames a message, and is said anew on each connection. */
const FRAMING: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  CARRIED_FIELD,
]);

/** Carries requests to who listens at `path`; a connection for each, as few have to go there. */
export function carryTo(path: string): Handle {
  return async (request) => {
    try {
      return await carried(path, request);
    } catch (thrown) {
      return failureOf(lost(thrown), null);
    }
  };
}

async function carried(path: string, request: HttpRequest): Promise<Answer> {
  const connection = await ServerConnection.open(path);
  // Whatever comes of it, nothing else goes over the connection.
  connection.whenFree(() => connection.close());
  request.whenGone(() => connection.close());
  const { method, body, upgrade, query, fields } = request;
  const length = fields.get("content-length");
  const response = await connection.send({
    method,
    target: query === null ? request.path : `${request.path}?${query}`,
    fields: fieldsOf(request),
    body,
    bodyBytes: length === null ? null : Number(length),
    upgrade,
  });
  return answerOf(response, request);
}

function fieldsOf(request: HttpRequest): HeaderField[] {
  const { fields, host, sender, protocol } = request;
  const own = connectionOptions(fields.get("connection"));
  const kept = fields.list.filter(([name]) => !FRAMING.has(name) && !own.has(name));
  const from = `${sender.address} ${sender.scheme ?? "unknown"} ${protocol}`;
  const taking = takesTrailers(request) ? " trailers" : "";
  return [["host", host], ...kept, [CARRIED_FIELD, from + taking]];
}

function answerOf(response: ServerResponse, { method }: HttpRequest): Answer {
  const { status, fields, bodyBytes, tunnel } = response;
  const headers = fields.filter(([name]) => !FRAMING.has(name) && name !== "date");
  if (tunnel) return { status, headers, body: null, tunnel: joined(tunnel) };
  const hasNone = method === "HEAD" || status === 204 || status === 304;
  if (hasNone) return { status, headers, body: null, bodyBytes };
  return { status, headers, body: streamOf(response), bodyBytes, trailers: response.trailers };
}

function streamOf(response: ServerResponse): AnswerStream {
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  ended.catch(() => {});
  return {
    ended,
    sent: free,
    async read() {
      try {
        const chunk = await response.read();
        if (chunk === null) resolve();
        return chunk;
      } catch (error) {
        reject(error);
        throw error;
      }
    },
    cancel() {
      response.cancel();
      resolve();
      return Promise.resolve();
    },
  };
}

function joined(tunnel: Tunnel): AnswerTunnel {
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  return {
    ended,
    async read() {
      const bytes = await tunnel.read().catch((error) => {
        resolve();
        throw error;
      });
      if (bytes === null) resolve();
      return bytes;
    },
    write: (bytes) => tunnel.write(bytes),
    close() {
      resolve();
      tunnel.close();
    },
  };
}

/** Nobody knows what became of it: whoever sent it may, under its Idempotency-Key, ask again. */
function lost(thrown: unknown): KhachapuriError {
  const cause = asKhachapuriError(thrown);
  if (cause.code === "invalid_input") return cause;
  return new KhachapuriError("overloaded", "the provider started anew and ended", {
    cause,
    retryAfterSeconds: 2,
    hints: ["try again"],
  });
}

export interface CarriedSender extends Sender {
  readonly protocol: Protocol;
  readonly takesTrailers: boolean;
}

/** Who sent a request that was carried here; null for one that was not, or not by us. */
export function carriedSender(said: string | undefined): CarriedSender | null {
  const [, address, scheme, protocol, taking] =
    /^(\S*) (http|https|unknown) (HTTP\/(?:1\.0|1\.1|2\.0))( trailers)?$/.exec(said ?? "") ?? [];
  if (address === undefined) return null;
  return {
    address,
    scheme: scheme === "unknown" ? null : scheme as "http" | "https",
    protocol: protocol as Protocol,
    takesTrailers: taking !== undefined,
  };
}

/** A handle for requests that were carried: they look as they did where they came. */
export function asTheyCame(handle: Handle): Handle {
  return (request) => {
    const { method, path, query, host, body, upgrade, sender, fields } = request;
    const carried = carriedSender(fields.get(CARRIED_FIELD) ?? undefined);
    const list = fields.list.filter(([name]) => name !== CARRIED_FIELD);
    if (carried?.takesTrailers) list.push(["te", "trailers"]);
    return handle({
      method,
      path,
      query,
      host,
      body,
      upgrade,
      sender,
      protocol: carried?.protocol ?? request.protocol,
      fields: new Fields(list),
      hasGone: () => request.hasGone(),
      whenGone: (callback) => request.whenGone(callback),
    });
  };
}

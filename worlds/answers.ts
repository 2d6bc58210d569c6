/** Requests and answers of the provider as tests have them: made of, and made into, the web's. */
import { type ByteSource, streamSource } from "../lib/byte_source.ts";
import { Fields } from "../lib/provider/http/fields.ts";
import type { HeaderField } from "../lib/provider/http/header_rules.ts";
import type { Answer, AnswerStream, HttpRequest, Sender } from "../lib/provider/http/request.ts";

export interface AskedRequest {
  method?: string;
  headers?: HeadersInit;
  body?: BodyInit | null;
  /** Aborts when the caller goes. */
  signal?: AbortSignal | null;
}

export const SENDER: Sender = { address: "192.0.2.7", scheme: null };

/** A request as it would have come over the wire; @param url with its host */
export function requestOf(url: URL | string, asked: AskedRequest = {}): HttpRequest {
  const { method = "GET", signal } = asked;
  const { host: asHost, pathname, search, href } = new URL(url);
  const headers = new Headers(asked.headers);
  const host = headers.get("host") ?? asHost;
  headers.set("host", host);
  const fields: HeaderField[] = [...headers];
  let onGone: (() => void) | null = null;
  signal?.addEventListener("abort", () => onGone?.(), { once: true });
  const body = asked.body === undefined || asked.body === null
    ? null
    : copied(streamSource(new Response(asked.body).body!));
  return {
    method,
    path: pathname,
    query: search === "" ? (href.endsWith("?") ? "" : null) : search.slice(1),
    host,
    protocol: "HTTP/1.1",
    fields: new Fields(fields),
    body,
    upgrade: null,
    sender: SENDER,
    hasGone: () => signal?.aborted ?? false,
    whenGone(callback) {
      if (signal?.aborted) callback?.();
      else onGone = callback;
    },
  };
}

/** Chunks that are the reader's alone, as a listener's: the provider frees those it has sent. */
function copied(source: ByteSource): ByteSource {
  return {
    read: async () => (await source.read())?.slice() ?? null,
    cancel: () => source.cancel(),
  };
}

/** What a client would see of an answer. */
export function responseOf({ status, headers, body }: Answer): Response {
  const content = body === null || body instanceof Uint8Array ? body : streamOf(body);
  return new Response(content as BodyInit | null, { status, headers });
}

function streamOf(body: AnswerStream): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const chunk = await body.read();
      if (chunk) controller.enqueue(chunk);
      else controller.close();
    },
    cancel: () => body.cancel(),
  }, { highWaterMark: 0 });
}

/**
 * Sending what is large and of known size over HTTP/1.1: fetch() sends a stream without its length,
 * does not tell how much has gone, and can't ask before it sends. An answer that comes before the
 * body's end is read all the same, as it says why the rest is not wanted.
 */
import { type ClientRequest, type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { UPLOAD_ANSWER_TIMEOUT_MS, UPLOAD_STALL_TIMEOUT_MS } from "./limits_of_content.ts";

export interface Upload {
  url: URL;
  method: "POST" | "HEAD";
  headers: Readonly<Record<string, string>>;
  body: UploadBody;
  /** The body is sent once it is asked for, or after a second without an answer (RFC 9110). */
  isExpecting?: boolean;
  /** Largest answer that is read. */
  answerBytesMax: number;
  signal?: AbortSignal | undefined;
}

export interface UploadBody {
  /** Of all parts together. */
  bytes: number;
  parts: Iterable<Uint8Array>;
  /** Called with all bytes that the connection has taken so far. */
  onSent?: ((bytes: number) => void) | undefined;
}

/** No redirect is followed. */
export interface UploadAnswer {
  status: number;
  headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  bytes: Uint8Array<ArrayBuffer>;
}

export const NO_BODY: UploadBody = { bytes: 0, parts: [] };

/** Bytes that are handed over at once: what is left to send is told after each. */
const PIECE_BYTES = 64 * 1024;
/** As curl has it: a server that knows no `100 Continue` is sent the body then. */
const CONTINUE_WAIT_MS = 1_000;

/**
 * Sends one request over a connection of its own and reads the answer.
 * @throws what broke the connection before there was an answer; "TimeoutError" when nothing moved
 *   for too long; the signal's reason
 */
export async function upload(request: Upload): Promise<UploadAnswer> {
  const { signal } = request;
  signal?.throwIfAborted();
  const exchange: Exchange = { sent: begin(request), isAnswered: false };
  const { sent } = exchange;
  const abort = () => sent.destroy();
  const watch = new Watch(() => sent.destroy(silent()));
  signal?.addEventListener("abort", abort, { once: true });
  try {
    const answer = answerTo(exchange, request.answerBytesMax);
    send(exchange, request, watch).catch((error) => sent.destroy(error));
    return await answer;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
    watch.end();
    sent.destroy();
  }
}

interface Exchange {
  sent: ClientRequest;
  /** Whether an answer has begun. */
  isAnswered: boolean;
}

function begin({ url, method, headers, body, isExpecting }: Upload): ClientRequest {
  const isTls = url.protocol === "https:";
  const request = isTls ? requestHttps : requestHttp;
  return request(url, {
    method,
    // With a connection of our own there is no agent either.
    ...(isTls ? { createConnection: () => connectTo(url) } : { agent: false }),
    headers: {
      ...headers,
      ...(method === "HEAD" ? {} : { "content-length": String(body.bytes) }),
      ...(isExpecting ? { expect: "100-continue" } : {}),
    },
  });
}

/**
 * By node:tls itself: node:https would list all CAs first, which wants every leave of `--allow-sys`
 * and not the few that we have. Both check the certificate in the same way.
 */
function connectTo({ hostname, port }: URL): TLSSocket {
  const host = hostname.replace(/^\[|\]$/g, "");
  const name = isIP(host) === 0 ? { servername: host } : {};
  return connectTls({ host, port: port === "" ? 443 : Number(port), ...name });
}

/**
 * The whole answer. A connection may break while the body goes out and still bring one: so nothing
 * has failed before it is closed.
 */
function answerTo(exchange: Exchange, bytesMax: number): Promise<UploadAnswer> {
  const { sent } = exchange;
  return new Promise((resolve, reject) => {
    let broken: Error | null = null;
    sent.on("error", (error: Error) => broken ??= error);
    sent.on("response", (message: IncomingMessage) => {
      exchange.isAnswered = true;
      readWhole(message, bytesMax).then(
        (bytes) => resolve({ status: message.statusCode!, headers: message.headers, bytes }),
        reject,
      );
    });
    sent.on("close", () => {
      if (exchange.isAnswered) return;
      reject(broken ?? new Error("the connection was closed without an answer"));
    });
  });
}

async function readWhole(
  message: IncomingMessage,
  bytesMax: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for await (const part of message) {
    size += part.length;
    if (size > bytesMax) throw new Error(`the answer has more than ${bytesMax} bytes`);
    parts.push(part);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function send(exchange: Exchange, { body, isExpecting }: Upload, watch: Watch) {
  const { sent } = exchange;
  if (isExpecting) await continued(sent);
  let bytes = 0;
  for (const part of pieces(body.parts)) {
    if (sent.destroyed || exchange.isAnswered) return;
    const isTaken = sent.write(part);
    if (!isTaken) await drained(sent);
    watch.moved();
    bytes += part.length;
    body.onSent?.(bytes);
  }
  sent.end();
  watch.awaitAnswer();
}

function* pieces(parts: Iterable<Uint8Array>): Iterable<Uint8Array> {
  for (const part of parts) {
    for (let at = 0; at < part.length; at += PIECE_BYTES) {
      yield part.subarray(at, at + PIECE_BYTES);
    }
  }
}

/** Resolves when the body may go, or is no longer wanted. */
function continued(sent: ClientRequest): Promise<void> {
  sent.flushHeaders();
  return firstOf(sent, ["continue", "response", "close"], CONTINUE_WAIT_MS);
}

function drained(sent: ClientRequest): Promise<void> {
  return firstOf(sent, ["drain", "response", "close"], null);
}

function firstOf(
  sent: ClientRequest,
  events: readonly string[],
  waitMs: number | null,
): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      for (const event of events) sent.off(event, done);
      resolve();
    };
    const timer = waitMs === null ? undefined : setTimeout(done, waitMs);
    for (const event of events) sent.once(event, done);
  });
}

/** Ends an upload in which nothing moves. */
class Watch {
  #timer: ReturnType<typeof setTimeout>;

  constructor(private readonly onSilent: () => void) {
    this.#timer = setTimeout(onSilent, UPLOAD_STALL_TIMEOUT_MS);
  }

  moved(): void {
    this.#restart(UPLOAD_STALL_TIMEOUT_MS);
  }

  /** Whoever has it all may have much to do with it. */
  awaitAnswer(): void {
    this.#restart(UPLOAD_ANSWER_TIMEOUT_MS);
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #restart(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.onSilent, ms);
  }
}

function silent(): Error {
  return new DOMException("nothing moved for too long", "TimeoutError");
}

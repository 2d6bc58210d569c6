/**
 * Sends one request over one connection of its own, as it stands: fetch() would refuse TRACE and a
 * GET's body, rewrite the path and the method, and join or add fields.
 */
import { Buffer } from "node:buffer";
import { type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { KhachapuriError } from "../errors.ts";
import { isUntrusted, whyUnreachable } from "../unreachable.ts";
import type { WireRequest } from "./curl_request.ts";
import type { Field } from "./curl_state.ts";
import { type CurlUrl, originOf } from "./curl_url.ts";

/** An answer as it came. */
export interface CurlAnswer {
  /** "1.1". */
  version: string;
  status: number;
  reason: string;
  /** In order; values are octets as Latin-1. */
  fields: readonly Field[];
  /** Fails with a KhachapuriError when the answer breaks off. */
  body: ReadableStream<Uint8Array<ArrayBuffer>>;
  timing: CurlTiming;
}

/** When what had happened, in ms since the request was begun; and between whom. */
export interface CurlTiming {
  lookup: number;
  connected: number;
  /** TLS; 0 without. */
  secured: number;
  sent: number;
  answered: number;
  /** null where no connection was needed. */
  connection: CurlConnection | null;
}

export interface CurlConnection {
  remoteIp: string;
  remotePort: number;
  localIp: string;
  localPort: number;
}

export interface SendOptions {
  connectTimeoutMs: number | null;
  expectTimeoutMs: number;
  isInsecure: boolean;
  /** PEM certificates to trust in the place of the system's; null: the system's. */
  ca: string | null;
  signal: AbortSignal | null;
}

/**
 * Resolves with the head of the answer; its body comes as it is read.
 * @throws KhachapuriError `provider_unavailable` with what is wrong in words; the signal's reason
 */
export async function sendRequest(
  request: WireRequest,
  options: SendOptions,
): Promise<CurlAnswer> {
  const { signal } = options;
  signal?.throwIfAborted();
  const began = performance.now();
  const since = () => performance.now() - began;
  const timing = { lookup: 0, connected: 0, secured: 0, sent: 0, answered: 0, connection: null };
  const socket = connect(request.url, options);
  // node:http writes some heads without naming an encoding.
  socket.setDefaultEncoding("latin1");
  watch(socket, request.url, options, timing, since);
  const abort = () => socket.destroy();
  signal?.addEventListener("abort", abort, { once: true });
  try {
    const message = await exchange(request, socket, options, timing, since);
    timing.answered = since();
    return {
      version: message.httpVersion,
      status: message.statusCode!,
      reason: message.statusMessage ?? "",
      fields: pairs(message.rawHeaders),
      body: ReadableStream.from(bodyOf(message, request.url, signal, abort)),
      timing,
    };
  } catch (error) {
    signal?.removeEventListener("abort", abort);
    socket.destroy();
    signal?.throwIfAborted();
    throw asUnavailable(error, request.url);
  }
}

function connect({ scheme, hostname, port }: CurlUrl, { isInsecure, ca }: SendOptions): Socket {
  const place = { host: hostname, port };
  if (scheme === "http") return connectTcp(place);
  return connectTls({
    ...place,
    ALPNProtocols: ["http/1.1"],
    rejectUnauthorized: !isInsecure,
    ...(isIP(hostname) ? {} : { servername: hostname }),
    ...(ca === null ? {} : { ca }),
  });
}

/** Notes when the connection stands, and ends one that does not in time. */
function watch(
  socket: Socket,
  { scheme, host }: CurlUrl,
  { connectTimeoutMs }: SendOptions,
  timing: CurlTiming,
  since: () => number,
): void {
  const isTls = scheme === "https";
  const timer = connectTimeoutMs === null ? undefined : setTimeout(() => {
    const message = `no connection to ${host} within ${connectTimeoutMs} ms (--connect-timeout)`;
    socket.destroy(new KhachapuriError("provider_unavailable", message));
  }, connectTimeoutMs);
  socket.once("lookup", () => timing.lookup = since());
  socket.once("connect", () => {
    timing.connected = since();
    timing.connection = {
      remoteIp: socket.remoteAddress ?? "",
      remotePort: socket.remotePort ?? 0,
      localIp: socket.localAddress ?? "",
      localPort: socket.localPort ?? 0,
    };
  });
  if (isTls) socket.once("secureConnect", () => timing.secured = since());
  socket.once(isTls ? "secureConnect" : "connect", () => clearTimeout(timer));
  socket.once("close", () => clearTimeout(timer));
}

function exchange(
  request: WireRequest,
  socket: Socket,
  { expectTimeoutMs }: SendOptions,
  timing: CurlTiming,
  since: () => number,
): Promise<IncomingMessage> {
  const { body, isExpecting } = request;
  return new Promise((resolve, reject) => {
    const sent = begun(request, socket);
    sent.once("response", resolve);
    sent.once("upgrade", () => reject(new Error("it changed to another protocol")));
    sent.once("connect", () => reject(new Error("it opened a tunnel")));
    // Once there is an answer, a body that was not taken whole is no failure.
    sent.on("error", reject);
    const send = () => {
      timing.sent = since();
      sent.end(body === null ? undefined : Buffer.from(body));
    };
    if (isExpecting && body !== null) whenContinued(sent, expectTimeoutMs, send);
    else send();
  });
}

function begun({ method, target, fields }: WireRequest, socket: Socket): ClientRequest {
  const lines = fields.map(([name, value]) => [name, octets(value)] as const);
  const path = octets(target);
  const plain = { path, setHost: false, setDefaultHeaders: false, createConnection: () => socket };
  if (method === method.toUpperCase()) {
    return httpRequest({ ...plain, method, headers: lines.flat() });
  }
  // node:http writes a method in capitals, unless it is set before the fields are.
  const sent = httpRequest(plain);
  sent.method = method;
  for (const [name, value] of lines) sent.appendHeader(name, value);
  return sent;
}

/** A provider that refuses the head is not sent the body. */
function whenContinued(sent: ClientRequest, waitMs: number, send: () => void): void {
  sent.flushHeaders();
  let isOver = false;
  const once = (act: () => void) => () => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    act();
  };
  const timer = setTimeout(once(send), waitMs);
  sent.once("continue", once(send));
  sent.once("response", once(() => {}));
  sent.once("error", once(() => {}));
}

async function* bodyOf(
  message: IncomingMessage,
  url: CurlUrl,
  signal: AbortSignal | null,
  abort: () => void,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let bytes = 0;
  try {
    for await (const chunk of message as AsyncIterable<Uint8Array<ArrayBuffer>>) {
      bytes += chunk.length;
      yield chunk;
    }
  } catch (cause) {
    signal?.throwIfAborted();
    const message = `${originOf(url)} broke the answer off after ${bytes} bytes`;
    throw new KhachapuriError("provider_unavailable", message, { cause });
  } finally {
    signal?.removeEventListener("abort", abort);
    message.destroy();
    abort();
  }
}

function pairs(raw: readonly string[]): Field[] {
  return raw.flatMap((name, index) => index % 2 === 0 ? [[name, raw[index + 1]!] as const] : []);
}

/** What stands for the text's UTF-8 octets in node:http, which writes Latin-1. */
function octets(text: string): string {
  return Buffer.from(text).toString("latin1");
}

function asUnavailable(thrown: unknown, url: CurlUrl): KhachapuriError {
  if (thrown instanceof KhachapuriError) return thrown;
  const message = `${originOf(url)} can't be reached: ${whyUnreachable(thrown)}`;
  return new KhachapuriError("provider_unavailable", message, {
    cause: thrown,
    hints: isUntrusted(thrown)
      ? ["--cacert FILE names whom to trust; -k trusts anybody"]
      : ["try again, or ask the provider"],
  });
}

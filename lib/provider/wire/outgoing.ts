/** An answer onto the wire: whole, or as it comes; what is cut off is seen to be cut off. */
import type { ServerResponse } from "node:http";
import type { HeaderField } from "../http/header_rules.ts";
import type { Answer, AnswerStream } from "../http/request.ts";

/** Where an answer goes. */
export interface Outlet {
  readonly response: ServerResponse;
  readonly method: string;
  /** Header fields of this connection. */
  readonly own: readonly HeaderField[];
  /** All of the answer is made: from now on it waits for its reader alone. */
  onMade(): void;
  /** Whether nothing is left of the request's body. */
  isRead(): boolean;
  /** Reads what is left of the request, so that its caller comes to see the answer. */
  readRest(): Promise<void>;
  /** Ends the connection such that nobody takes what went out for the whole. */
  cut(): void;
}

/**
 * Sends an answer; resolves when all of it is handed over.
 * @throws whatever the answer's body fails with, once its caller has seen it cut off
 */
export async function send(outlet: Outlet, answer: Answer): Promise<void> {
  const { status, body } = answer;
  const headers = [...answer.headers, ...outlet.own];
  if (body === null || body instanceof Uint8Array) {
    writeHead(outlet.response, status, headers, lengthOf(status, body, outlet.method));
    outlet.onMade();
    return await sendWhole(outlet, hasNoBody(status, outlet.method) ? null : body);
  }
  writeHead(outlet.response, status, headers, null);
  await sendStream(outlet, body);
}

async function sendWhole(outlet: Outlet, body: Uint8Array | null): Promise<void> {
  const { response } = outlet;
  // The last byte goes with the end where it can: head and body leave in one write then.
  if (outlet.isRead()) return void response.end(body ?? undefined);
  // In one write, too: a proxy that was given the head alone may pass on no more than that.
  response.cork();
  if (body !== null && body.length > 0) response.write(body);
  else response.flushHeaders();
  response.uncork();
  await outlet.readRest();
  response.end();
}

function writeHead(
  response: ServerResponse,
  status: number,
  headers: readonly HeaderField[],
  length: number | null,
): void {
  if (length !== null) headers = [...headers, ["content-length", String(length)]];
  // HTTP/2's response takes them by name only.
  if (response.req.httpVersionMajor > 1) response.writeHead(status, byName(headers));
  else response.writeHead(status, headers.flat());
}

function byName(headers: readonly HeaderField[]): Record<string, string[]> {
  const named: Record<string, string[]> = {};
  for (const [name, value] of headers) (named[name] ??= []).push(value);
  return named;
}

/** RFC 9110 section 6.4.1. */
function hasNoBody(status: number, method: string): boolean {
  return method === "HEAD" || status === 204 || status === 304;
}

/** Content-Length where it is known and may be said (RFC 9110 section 8.6). */
function lengthOf(status: number, body: Uint8Array | null, method: string): number | null {
  if (status === 204 || status === 304) return null;
  if (body === null) return method === "HEAD" ? null : 0;
  return body.length;
}

async function sendStream(outlet: Outlet, body: AnswerStream): Promise<void> {
  const { response } = outlet;
  let isClosed = false;
  const onClose = () => {
    isClosed = true;
    body.cancel().catch(() => {});
  };
  response.on("close", onClose);
  body.ended.then(() => outlet.onMade(), () => outlet.cut());
  try {
    for (let chunk; !isClosed && (chunk = await body.read()) !== null;) {
      if (!response.write(chunk)) await roomIn(response);
    }
  } catch (error) {
    outlet.cut();
    throw error;
  } finally {
    response.off("close", onClose);
  }
  if (!outlet.isRead()) {
    tellEnd(response);
    await outlet.readRest();
  }
  response.end();
}

/**
 * Tells the end of a stream while its response goes on: a caller that never sends the rest of its
 * body has had a whole answer when it is cut off for that.
 */
function tellEnd(response: ServerResponse): void {
  if (!response.chunkedEncoding) return void response.socket?.end();
  response.chunkedEncoding = false;
  response.write("0\r\n\r\n");
}

/** Resolves when there is room for more, or nobody reads any more. */
function roomIn(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.on("drain", done);
    response.on("close", done);
  });
}

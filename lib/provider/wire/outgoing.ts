/** An answer onto the wire: whole, or as it comes; what is cut off is seen to be cut off. */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { KhachapuriError } from "../../errors.ts";
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
  const { status, body, bodyBytes = null } = answer;
  const headers = [...answer.headers, ...outlet.own];
  writeHead(outlet.response, status, headers, lengthOf(answer, outlet.method));
  if (body === null || body instanceof Uint8Array) {
    outlet.onMade();
    return await sendWhole(outlet, hasNoBody(status, outlet.method) ? null : body);
  }
  await sendStream(outlet, bodyBytes === null ? body : measured(body, bodyBytes));
  await endStream(outlet, answer);
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
  else response.writeHead(status, flat(headers));
}

/** `headers.flat()` takes several times as long. */
function flat(headers: readonly HeaderField[]): string[] {
  const all: string[] = [];
  for (const [name, value] of headers) all.push(name, value);
  return all;
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

/**
 * Content-Length where it is known and may be said: where there is no body for want of asking, that
 * of the one there would be (RFC 9110 section 8.6).
 */
function lengthOf({ status, body, bodyBytes = null }: Answer, method: string): number | null {
  if (status === 204) return null;
  if (status === 304) return body === null ? bodyBytes : null;
  if (body === null) return method === "HEAD" ? bodyBytes : 0;
  return body instanceof Uint8Array ? body.length : bodyBytes;
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
      await sendChunk(response, body, chunk);
    }
  } catch (error) {
    outlet.cut();
    throw error;
  } finally {
    response.off("close", onClose);
  }
}

async function sendChunk(
  response: ServerResponse,
  body: AnswerStream,
  chunk: Uint8Array,
): Promise<void> {
  const hasRoom = response.write(chunk, (error) => {
    if (!error) body.sent?.(chunk);
  });
  if (!hasRoom) await roomIn(response);
}

async function endStream(
  { response, isRead, readRest }: Outlet,
  { bodyBytes = null, trailers }: Answer,
): Promise<void> {
  if (!isRead()) {
    if (bodyBytes === null) tellEnd(response);
    await readRest();
  } else if (trailers) response.addTrailers(byName(trailers()));
  response.end();
}

/** A body that has another length than its head says is no whole one. */
function measured(body: AnswerStream, announced: number): AnswerStream {
  let bytes = 0;
  return {
    ended: body.ended,
    cancel: () => body.cancel(),
    sent: (chunk) => body.sent?.(chunk),
    async read() {
      const chunk = await body.read();
      bytes += chunk?.length ?? 0;
      if (chunk === null ? bytes === announced : bytes <= announced) return chunk;
      body.cancel().catch(() => {});
      throw mismeasured(announced);
    },
  };
}

function mismeasured(announced: number): KhachapuriError {
  return new KhachapuriError("program_failed", `a body of ${announced} bytes has another length`);
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
export function roomIn(output: ServerResponse | Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      output.off("drain", done);
      output.off("close", done);
      resolve();
    };
    output.on("drain", done);
    output.on("close", done);
  });
}

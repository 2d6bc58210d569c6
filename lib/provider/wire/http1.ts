/** HTTP/1 on connections: node's parser, told to keep nothing from us and to wait for nobody. */
import type { IncomingMessage, Server, ServerOptions, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { KhachapuriError } from "../../errors.ts";
import { REQUEST_HEADER_BYTES_MAX, REQUEST_TARGET_BYTES_MAX } from "../../limits.ts";
import type { Connection } from "./connection.ts";
import type { Connections } from "./connections.ts";
import { exchange, type ExchangeParts } from "./exchange.ts";
import { Message } from "./message.ts";
import { PART_BYTES } from "./reading.ts";
import { refusalOf, refuse } from "./refusal.ts";

/** The request line beside its target, and what the parser counts beside names and values. */
const HEAD_SLACK_BYTES = 8 * 1024;

/** How node is told to serve HTTP/1, with TLS or without. */
export const HTTP1_OPTIONS: ServerOptions<typeof Message> = {
  IncomingMessage: Message,
  maxHeaderSize: REQUEST_HEADER_BYTES_MAX + REQUEST_TARGET_BYTES_MAX + HEAD_SLACK_BYTES,
  insecureHTTPParser: false,
  // Judged with the target, in our own words.
  requireHostHeader: false,
  // Connections are swept by us, whatever they came on.
  headersTimeout: 0,
  requestTimeout: 0,
  keepAliveTimeout: 0,
};

/** Has a server of HTTP1_OPTIONS hand its requests over. */
export function serveHttp1(
  server: Server,
  parts: ExchangeParts,
  connections: Connections,
): void {
  // Fields beyond a number would be dropped in silence: the bytes of the head are the bound.
  server.maxHeadersCount = 0;
  // A caller that has closed its sending half may still be told what was wrong.
  Object.assign(server, { httpAllowHalfOpen: true });

  const arrive = (isHeldBack: boolean) => (message: IncomingMessage, response: ServerResponse) => {
    const connection = connections.of(message.socket);
    const arrived = { line: connection!, message, response, isHttp2: false, isHeldBack };
    connection?.queue({
      begin: () => void exchange(parts, arrived),
      isWhole: () => message.complete,
    });
  };
  server.on("request", arrive(false));
  server.on("checkContinue", arrive(true));
  server.on("checkExpectation", (message: IncomingMessage, response: ServerResponse) => {
    const begin = () => refuseExpectation(message, response);
    connections.of(message.socket)?.queue({ begin, isWhole: () => message.complete });
  });
  server.on("connect", (_message: IncomingMessage, socket: Socket) => {
    connections.of(socket)?.breakOff("this is no proxy");
    refuse(
      socket,
      new KhachapuriError("method_not_allowed", "this is no proxy", {
        hints: ["call a deployment at /{cid}"],
      }),
    );
  });
  server.on("clientError", (error: Error & { code?: string }, socket: Socket) => {
    if (error.code === "ECONNRESET") return void socket.destroy();
    const reason = error.code === "HPE_HEADER_OVERFLOW"
      ? new KhachapuriError("headers_too_large", "the request's head is too large")
      : new KhachapuriError("invalid_input", "what came is not framed as HTTP/1.1 has it", {
        hints: ["see RFC 9112; the connection is closed"],
      });
    if (connections.of(socket)?.breakOff(reason.shortMessage)) return;
    parts.onUnread?.(reason);
    refuse(socket, reason);
  });
}

/** RFC 9110 section 10.1.1. */
function refuseExpectation({ headers }: IncomingMessage, response: ServerResponse): void {
  const { headers: fields, body } = refusalOf(
    new KhachapuriError("invalid_input", `nothing here answers "Expect: ${headers.expect}"`, {
      hints: ["100-continue is the only expectation that is met; send the request without others"],
    }),
  );
  const own = [["connection", "close"], ["content-length", String(body.length)]];
  response.writeHead(417, [...fields, ...own].flat());
  response.end(body);
}

/**
 * Has what comes on a connection parsed in parts, as its turns come: behind the listeners of the
 * server's own, which would otherwise take it off the socket all at once.
 */
export function readHttp1(connection: Connection, connections: Connections): void {
  const { parser } = connection.socket as Socket & { parser?: { unconsume?(): void } };
  parser?.unconsume?.();
  connections.pace(connection, { partBytes: PART_BYTES.http1, untakenBytes: Infinity });
}

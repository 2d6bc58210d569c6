/** HTTP/1 on connections: node's parser, told to keep nothing from us and to wait for nobody. */
import type { IncomingMessage, Server, ServerOptions, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { KhachapuriError } from "../../errors.ts";
import { REQUEST_HEADER_BYTES_MAX, REQUEST_TARGET_BYTES_MAX } from "../../limits.ts";
import type { Connections } from "./connections.ts";
import { exchange, type ExchangeParts } from "./exchange.ts";
import { refuse } from "./refusal.ts";

/** The request line beside its target, and what the parser counts beside names and values. */
const HEAD_SLACK_BYTES = 8 * 1024;

/** How node is told to serve HTTP/1, with TLS or without. */
export const HTTP1_OPTIONS: ServerOptions = {
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
    connection?.queue(() => void exchange(parts, arrived));
  };
  server.on("request", arrive(false));
  server.on("checkContinue", arrive(true));
  server.on("checkExpectation", (message: IncomingMessage, response: ServerResponse) => {
    const connection = connections.of(message.socket);
    connection?.queue(() => {
      response.writeHead(417, ["connection", "close", "content-length", "0"]);
      response.end();
    });
  });
  server.on(
    "connect",
    (_message: IncomingMessage, socket: Socket) =>
      refuse(
        socket,
        new KhachapuriError("method_not_allowed", "this is no proxy", {
          hints: ["call a deployment at /{cid}"],
        }),
      ),
  );
  server.on("clientError", (error: Error & { code?: string }, socket: Socket) => {
    if (error.code === "ECONNRESET") return void socket.destroy();
    const reason = error.code === "HPE_HEADER_OVERFLOW"
      ? new KhachapuriError("headers_too_large", "the request's head is too large")
      : new KhachapuriError("invalid_input", "what came is not framed as HTTP/1.1 has it", {
        hints: ["see RFC 9112; the connection is closed"],
      });
    if (connections.of(socket)?.breakOff(reason.shortMessage)) return;
    refuse(socket, reason);
  });
}

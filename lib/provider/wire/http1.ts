/** HTTP/1 on connections: node's parser, told to keep nothing from us and to wait for nobody. */
import { type IncomingMessage, type Server, type ServerOptions, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { KhachapuriError } from "../../errors.ts";
import { REQUEST_HEADER_BYTES_MAX, REQUEST_TARGET_BYTES_MAX } from "../../limits.ts";
import type { Connection } from "./connection.ts";
import type { Connections } from "./connections.ts";
import { CallerEnd } from "./caller_end.ts";
import { exchange, type ExchangeParts } from "./exchange.ts";
import { isHandshake } from "./handshake.ts";
import { Message } from "./message.ts";
import { PART_BYTES } from "./reading.ts";
import { refusalOf, refuse } from "./refusal.ts";
import type { Handshake } from "./switching.ts";

/** The request line beside its target, and what the parser counts beside names and values. */
const HEAD_SLACK_BYTES = 8 * 1024;

/** An option of node's that its types do not have. */
interface Upgrading {
  shouldUpgradeCallback(message: IncomingMessage): boolean;
}

/** How node is told to serve HTTP/1, with TLS or without. */
export const HTTP1_OPTIONS: ServerOptions<typeof Message> & Upgrading = {
  IncomingMessage: Message,
  maxHeaderSize: REQUEST_HEADER_BYTES_MAX + REQUEST_TARGET_BYTES_MAX + HEAD_SLACK_BYTES,
  insecureHTTPParser: false,
  // Any other request that asks for an upgrade is read as one that does not, body and all.
  shouldUpgradeCallback: isHandshake,
  // Judged with the target, in our own words.
  requireHostHeader: false,
  // Connections are swept by us, whatever they came on.
  headersTimeout: 0,
  requestTimeout: 0,
  keepAliveTimeout: 0,
};

/** What a socket of node's holds of the response that goes out on it. */
type Answered = Socket & { _httpMessage?: ServerResponse | null };

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
      bodyBytes: bodyBytesOf(message),
    });
  };
  const shake = (message: IncomingMessage, connection: Connection, ahead: Uint8Array) => {
    const { socket } = connection;
    const handshake = shakes(connection, connections, ahead);
    // It was the server's own part to tell a response that there is room again.
    socket.on("drain", () => (socket as Answered)._httpMessage?.emit("drain"));
    connection.queue({
      begin: () => {
        const response = responseTo(message, socket);
        const arrived = { line: connection, message, response, isHttp2: false, isHeldBack: false };
        void exchange(parts, { ...arrived, handshake });
      },
      isWhole: () => true,
    });
  };
  server.on("request", arrive(false));
  server.on("checkContinue", arrive(true));
  server.on("checkExpectation", (message: IncomingMessage, response: ServerResponse) => {
    const begin = () => refuseExpectation(message, response);
    connections.of(message.socket)?.queue({ begin, isWhole: () => message.complete });
  });
  server.on("upgrade", (message: IncomingMessage, socket: Socket, ahead: Uint8Array) => {
    const connection = connections.of(socket);
    if (connection) shake(message, connection, ahead);
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

const LENGTH = "content-length";

/**
 * The length of a body that has one: its bytes then mean nothing to the parser, which takes no head
 * with a Transfer-Encoding beside it (RFC 9112 section 6.1). `headers` would be made for it.
 */
function bodyBytesOf({ rawHeaders }: IncomingMessage): number {
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!;
    if (name.length === LENGTH.length && name.toLowerCase() === LENGTH) {
      return Number(rawHeaders[at + 1]);
    }
  }
  return 0;
}

/** What a handshake's connection is handed over as, of which the server knows no more. */
function shakes(connection: Connection, connections: Connections, ahead: Uint8Array): Handshake {
  const caller = new CallerEnd(connection.socket, ahead);
  connection.handTo(caller);
  return { caller, open: () => connections.letGo(connection) };
}

/**
 * A response as the server would have made it. It is made once its turn has come, as a socket takes
 * one at a time.
 */
function responseTo(message: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(message);
  response.assignSocket(socket);
  response.on("finish", () => {
    response.detachSocket(socket);
    response.emit("close");
  });
  return response;
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

/** HTTP/2 on connections on which it was agreed (RFC 9113). */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Socket } from "node:net";
import {
  ANSWER_REST_TIMEOUT_MS,
  HTTP2_STREAMS_MAX,
  HTTP2_UNTAKEN_BYTES_MAX,
  REQUEST_HEADER_BYTES_MAX,
  REQUEST_TARGET_BYTES_MAX,
  UNWANTED_BODY_MS,
} from "../../limits.ts";
import type { Connection } from "./connection.ts";
import type { Connections } from "./connections.ts";
import { exchange, type ExchangeParts, type Line } from "./exchange.ts";
import type { Served } from "./incoming.ts";
import { FrameFilter } from "./frames.ts";
import { PART_BYTES } from "./reading.ts";

/** RFC 9113 section 7. */
const NO_ERROR = 0;
/** With this no client takes an answer for whole. */
const INTERNAL_ERROR = 2;

const OPTIONS = {
  // The process may abort with a session that ends for these; they are slowed down instead.
  maxSessionInvalidFrames: 0xffff_ffff,
  settings: {
    maxConcurrentStreams: HTTP2_STREAMS_MAX,
    maxHeaderListSize: REQUEST_HEADER_BYTES_MAX + REQUEST_TARGET_BYTES_MAX,
    enablePush: false,
  },
};

/** How what comes is handed over. */
const HTTP2_READING = { partBytes: PART_BYTES.http2, untakenBytes: HTTP2_UNTAKEN_BYTES_MAX };

export interface Http2 {
  /** Serves a connection from its first byte on. */
  take(socket: Socket, connection: Connection): void;
}

type Session = Http2ServerRequest["stream"]["session"];

export async function createHttp2(
  parts: ExchangeParts,
  all: Pick<Connections, "pace">,
): Promise<Http2> {
  const { createServer } = await import("node:http2");
  const server = createServer(OPTIONS);
  const connections = new WeakMap<NonNullable<Session>, Connection>();
  const arrive =
    (isHeldBack: boolean) => (message: Http2ServerRequest, response: Http2ServerResponse) => {
      const { session } = message.stream;
      const connection = session && connections.get(session);
      if (!connection) return message.stream.close(INTERNAL_ERROR);
      // The same members as HTTP/1's, as far as they are used here: node's "compatibility API".
      void exchange(parts, {
        line: new Stream(message, connection),
        message: message as unknown as IncomingMessage,
        response: response as unknown as ServerResponse,
        isHttp2: true,
        isHeldBack,
      });
    };
  server.on("request", arrive(false));
  server.on("checkContinue", arrive(true));
  server.on("sessionError", () => {});
  return {
    take(socket, connection) {
      // It may wait for its first request as long as for any: browsers open some ahead.
      connection.enter("idle");
      server.once("session", (session) => {
        connections.set(session, connection);
        // GOAWAY: streams that are open end, and no new ones are begun (RFC 9113 section 6.8).
        connection.whenRetired(() => session.close());
      });
      server.emit("connection", socket);
      const frames = new FrameFilter(() => connection.endSoon());
      all.pace(connection, { ...HTTP2_READING, pass: (bytes) => frames.pass(bytes) });
    },
  };
}

/** One stream, whose connection is busy as long as one of its streams is. */
class Stream implements Line {
  readonly bytesBefore = null;
  #isServed = false;
  #late: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly message: Http2ServerRequest,
    private readonly connection: Connection,
  ) {}

  serve(served: Served): void {
    this.#isServed = true;
    this.connection.join();
    this.message.on("aborted", () => {
      served.leave();
      this.connection.noteReset();
    });
  }

  bytesParsed(): number {
    return 0;
  }

  isLast(): boolean {
    return false;
  }

  /** What comes on other streams can be told. */
  endSoon(): void {}

  /** Its caller may leave no window for the answer: the stream is cut then, not its connection. */
  end(): void {
    this.#late ??= setTimeout(() => this.cut(), ANSWER_REST_TIMEOUT_MS);
  }

  finish(): void {
    clearTimeout(this.#late);
    if (this.#isServed) this.connection.part();
    this.#isServed = false;
  }

  cut(): void {
    this.message.stream.close(INTERNAL_ERROR);
  }

  /**
   * RFC 9113 section 8.1. Not at once: what is still to be written of the answer would be lost with
   * the stream.
   */
  readonly stopBody = () => {
    const { message } = this;
    const stop = () => message.stream.close(NO_ERROR);
    const late = setTimeout(stop, UNWANTED_BODY_MS);
    message.stream.once("close", () => clearTimeout(late));
    message.resume();
  };
}

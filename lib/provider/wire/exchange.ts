/** One request and its answer on a connection, from the head to the last byte of both. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { asKhachapuriError, type KhachapuriError } from "../../errors.ts";
import {
  UNWANTED_BODY_BYTES_MAX,
  UNWANTED_BODY_MS,
  UNWANTED_BODY_PIECES_MAX,
} from "../../limits.ts";
import type { Log } from "../../log.ts";
import type { Answer, Handle, Sender } from "../http/request.ts";
import { Incoming, type Served } from "./incoming.ts";
import { VERSION_FIELD } from "./handshake.ts";
import { type Outlet, send } from "./outgoing.ts";
import { refusalOf } from "./refusal.ts";
import { carry, type Handshake } from "./switching.ts";
import type { Tunnels } from "./tunnels.ts";

/** What all exchanges are made with. */
export interface ExchangeParts {
  readonly handle: Handle;
  readonly log: Log;
  readonly tunnels: Pick<Tunnels, "take">;
  senderOf(message: IncomingMessage): Sender;
  /** Told why something that came was no request, which no `handle` sees. */
  readonly onUnread?: (error: KhachapuriError) => void;
}

/** What a request came on: a connection of HTTP/1, or a stream of HTTP/2. */
export interface Line {
  serve(served: Served): void;
  /** Bytes that came on it for earlier requests; null where they share it. */
  readonly bytesBefore: number | null;
  /** Bytes of it that were parsed by now. */
  bytesParsed(): number;
  /** Whether it is to end with this answer. */
  isLast(): boolean;
  /** It is, as nothing that comes behind could be told. */
  endSoon(): void;
  /** All of the answer is made: what is left is the caller's to take. */
  end(): void;
  /** The answer is out, or never will be. */
  finish(): void;
  /** Ends it such that nobody takes what went out for the whole of an answer. */
  cut(): void;
  /** Tells the caller that the rest of its body is not wanted; null where it cannot be told. */
  readonly stopBody: (() => void) | null;
}

/** A request whose head has come in. */
export interface Arrived {
  readonly line: Line;
  readonly message: IncomingMessage;
  readonly response: ServerResponse;
  readonly isHttp2: boolean;
  /** Whether the caller holds its body back until it is told to go on. */
  readonly isHeldBack: boolean;
  /** Where the request is one, in its form. */
  readonly handshake?: Handshake;
}

/** Has a request answered; never throws. */
export async function exchange(parts: ExchangeParts, arrived: Arrived): Promise<void> {
  const { line, response } = arrived;
  response.on("close", () => line.finish());
  const incoming = read(parts, arrived);
  if (!(incoming instanceof Incoming)) {
    line.serve(NOBODY);
    return await answer(parts, arrived, null, incoming);
  }
  line.serve(incoming);
  if (arrived.handshake) return await shake(parts, arrived, arrived.handshake, incoming);
  await answer(parts, arrived, incoming, await parts.handle(incoming));
}

/** Has a handshake answered, and its connection carry what was agreed to. */
async function shake(
  parts: ExchangeParts,
  arrived: Arrived,
  handshake: Handshake,
  incoming: Incoming,
): Promise<void> {
  const { line, response } = arrived;
  const place = takePlace(parts, incoming);
  if (typeof place !== "function") return await answer(parts, arrived, incoming, place);
  try {
    const { tunnel, ...said } = await parts.handle(incoming);
    if (tunnel) await carry(handshake, line, response, incoming, { ...said, tunnel });
    else await answer(parts, arrived, incoming, said);
  } catch (thrown) {
    logCut(parts.log, thrown);
  } finally {
    place();
  }
}

/** Gives the place of a tunnel back, or says why there is none. */
function takePlace({ tunnels }: ExchangeParts, { sender }: Incoming): (() => void) | Answer {
  try {
    return tunnels.take(sender.address);
  } catch (thrown) {
    return refusalOf(asKhachapuriError(thrown));
  }
}

/** A request that is refused for its head. */
const NOBODY: Served = { leave() {}, breakOff() {} };

/** The request, or why it is none. */
function read({ senderOf, onUnread }: ExchangeParts, arrived: Arrived): Incoming | Answer {
  const { line, message, response, isHttp2, isHeldBack } = arrived;
  try {
    return new Incoming(message, {
      sender: senderOf(message),
      isHttp2,
      bytesBefore: line.bytesBefore,
      bytesParsed: () => line.bytesParsed(),
      canUpgrade: arrived.handshake !== undefined,
      onWanted: isHeldBack ? () => response.writeContinue() : null,
    });
  } catch (thrown) {
    const error = asKhachapuriError(thrown);
    onUnread?.(error);
    const { headers, ...refusal } = refusalOf(error);
    const isShaking = message.headers.upgrade?.toLowerCase() === "websocket";
    return { ...refusal, headers: isShaking ? [...headers, VERSION_FIELD] : headers };
  }
}

async function answer(
  parts: ExchangeParts,
  { line, message, response, isHttp2 }: Arrived,
  incoming: Incoming | null,
  answer: Answer,
): Promise<void> {
  const isHeldBack = incoming?.body?.isHeldBack ?? false;
  const isComing = () => incoming?.body?.isComing() ?? false;
  // Of a body that nobody read only so much is dropped, and whoever was not told to go on may send
  // its own or not: no further request is to come behind it.
  // Behind a request that would change the protocol the parser reads no other.
  const isLast = incoming === null || isComing() || incoming.body?.hasFailed() === true ||
    incoming.fields.has("upgrade") || line.isLast();
  if (isLast) line.endSoon();
  const outlet: Outlet = {
    response,
    method: message.method!,
    own: isLast && !isHttp2 ? [["connection", "close"]] : [],
    onMade: () => line.end(),
    isRead: () => isHeldBack || line.stopBody !== null || !isComing(),
    readRest: () => dropRest(message, line),
    cut: () => line.cut(),
  };
  try {
    await send(outlet, answer);
    if (isComing()) line.stopBody?.();
  } catch (thrown) {
    logCut(parts.log, thrown);
  }
}

/**
 * Reads and drops what is left of a request. Ending a connection on which bytes have come that
 * nobody read resets it, and with that its caller may lose an answer that it has not read. Of
 * much only the beginning is read, which holds its sender up; who sends on is cut off in the end.
 */
function dropRest(message: IncomingMessage, line: Line): Promise<void> {
  return new Promise((resolve) => {
    let bytes = 0;
    let pieces = 0;
    const done = () => {
      clearTimeout(late);
      message.off("data", count);
      resolve();
    };
    const giveUp = () => {
      done();
      line.cut();
    };
    const count = (chunk: Uint8Array) => {
      bytes += chunk.length;
      pieces += 1;
      const isMuch = bytes > UNWANTED_BODY_BYTES_MAX || pieces > UNWANTED_BODY_PIECES_MAX;
      if (isMuch) message.pause();
    };
    const late = setTimeout(giveUp, UNWANTED_BODY_MS);
    message.on("end", done).on("close", done).on("data", count);
    message.resume();
  });
}

/**
 * An answer that had begun could not be ended. Mostly a program met a limit or a caller went away,
 * which strangers may bring about as often as they like.
 */
function logCut(log: Log, thrown: unknown): void {
  const error = asKhachapuriError(thrown);
  const level = error.code === "internal" ? "error" : "debug";
  log[level]("an answer was cut off", { error });
}

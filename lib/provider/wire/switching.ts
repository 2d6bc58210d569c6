/** From a handshake that was agreed to until nothing is left of its tunnel. */
import type { ServerResponse } from "node:http";
import type { Answer, AnswerTunnel } from "../http/request.ts";
import type { CallerEnd } from "./caller_end.ts";
import type { Served } from "./incoming.ts";
import { join } from "./join.ts";

/** A request whose connection may become a tunnel: what comes behind it is no HTTP. */
export interface Handshake {
  readonly caller: CallerEnd;
  /** Its connection is a tunnel from now on, and bounded as such. */
  open(): void;
}

/** What is told of a tunnel's connection. */
export interface TunnelLine {
  /** Nothing more comes for it: it is the caller's to take what there is. */
  end(): void;
  finish(): void;
  cut(): void;
}

/**
 * Answers 101, and carries bytes both ways until either end has no more. The caller is told the end
 * once the accounts have ended.
 * @throws whatever the program's end or the accounts fail with, once the caller is cut off
 */
export async function carry(
  { caller, open }: Handshake,
  line: TunnelLine,
  response: ServerResponse,
  served: Served,
  { headers, tunnel }: Pick<Answer, "headers"> & { tunnel: AnswerTunnel },
): Promise<void> {
  sayHead(response, headers);
  open();
  const accounted = tunnel.ended.then(() => line.end());
  accounted.catch(() => line.cut());
  try {
    // Also when the program takes nothing, and nobody reads what the caller sent.
    const gone = caller.gone.then(() => false);
    if (!await Promise.race([join(caller, tunnel), gone])) served.leave();
    tunnel.close();
    line.end();
    await accounted;
    caller.close();
  } catch (error) {
    tunnel.close();
    line.cut();
    throw error;
  } finally {
    await caller.gone;
    line.finish();
  }
}

/** The head alone, after which the socket is nobody's who speaks HTTP. */
function sayHead(response: ServerResponse, headers: Answer["headers"]): void {
  const own = [["connection", "Upgrade"], ["upgrade", "websocket"]];
  // Without it node would frame a body in chunks, as there is no length.
  response.removeHeader("transfer-encoding");
  response.writeHead(101, [...headers, ...own].flat());
  response.flushHeaders();
  response.detachSocket(response.socket!);
}

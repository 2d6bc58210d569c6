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

/** Answers 101, and carries bytes both ways until either end has no more; never throws. */
export async function carry(
  { caller, open }: Handshake,
  line: TunnelLine,
  response: ServerResponse,
  served: Served,
  { headers, tunnel }: Pick<Answer, "headers"> & { tunnel: AnswerTunnel },
): Promise<void> {
  sayHead(response, headers);
  open();
  tunnel.ended.then(() => line.end(), () => line.cut());
  const ending = await Promise.race([
    join(caller, tunnel),
    // Also when the program takes nothing, and nobody reads what the caller sent.
    caller.gone.then(() => "caller broke" as const),
  ]);
  if (ending === "caller broke") served.leave();
  tunnel.close();
  if (ending === "ended") {
    line.end();
    caller.close();
  } else line.cut();
  await caller.gone;
  line.finish();
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

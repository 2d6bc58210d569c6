/** A connection to a scripted server, as tests begin with it. */
import type { ServerResponse } from "../lib/provider/server/exchange.ts";
import { ServerConnection } from "../lib/provider/server/connection.ts";
import { openScriptedServer, type ServerSide, textOf } from "./scripted_server.ts";

export interface Connected extends AsyncDisposable {
  readonly connection: ServerConnection;
  readonly server: ServerSide;
  /** What `whenFree` was told, so far. */
  readonly freed: readonly boolean[];
  /** Resolves when it is told the next time. */
  nextFreed(): Promise<boolean>;
  /** Resolves when the connection ends while idle. */
  readonly gone: Promise<void>;
}

export async function connected(): Promise<Connected> {
  const scripted = await openScriptedServer();
  const accepted = scripted.accept();
  const gone = Promise.withResolvers<void>();
  const connection = await ServerConnection.open(scripted.path, gone.resolve);
  const freed: boolean[] = [];
  const waiting: ((isReusable: boolean) => void)[] = [];
  connection.whenFree((isReusable) => {
    freed.push(isReusable);
    for (const resolve of waiting.splice(0)) resolve(isReusable);
  });
  return {
    connection,
    server: await accepted,
    freed,
    nextFreed: () => new Promise((resolve) => waiting.push(resolve)),
    gone: gone.promise,
    async [Symbol.asyncDispose]() {
      connection.close();
      await scripted[Symbol.asyncDispose]();
    },
  };
}

/** What is left of its body, as Latin-1. */
export async function bodyOf(response: ServerResponse): Promise<string> {
  let text = "";
  for (let chunk = await response.read(); chunk; chunk = await response.read()) {
    text += textOf(chunk);
  }
  return text;
}

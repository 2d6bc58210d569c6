/**
 * What no provider can beat that stands where ours does: our listener and our client of servers,
 * and between them nothing. It hands every request to one instance of the program in the folder
 * that is its argument, in the same sandbox.
 */
import { createLog } from "../lib/log.ts";
import type { HeaderField } from "../lib/provider/http/header_rules.ts";
import type { Answer, HttpRequest } from "../lib/provider/http/request.ts";
import { ServerConnection } from "../lib/provider/server/connection.ts";
import type { ServerResponse } from "../lib/provider/server/exchange.ts";
import { listen } from "../lib/provider/wire/listener.ts";
import { openBenchInstance } from "./http_instance.ts";

const HOSTNAME = "127.0.0.1";
/** What is larger goes out as it comes, as at our provider. */
const SHORT_BYTES = 64 * 1024;

const { instance } = await openBenchInstance(Deno.args[0]!);
const free: ServerConnection[] = [];

async function connection(): Promise<ServerConnection> {
  for (let one; (one = free.pop());) if (one.isOpen) return one;
  return await ServerConnection.open(instance.socketPath);
}

async function handle(request: HttpRequest): Promise<Answer> {
  const one = await connection();
  one.whenFree((isReusable) => {
    if (isReusable) free.push(one);
  });
  const length = request.fields.get("content-length");
  const response = await one.send({
    method: request.method,
    target: request.path,
    fields: [["host", request.host]],
    body: request.body,
    bodyBytes: length === null ? null : Number(length),
    upgrade: null,
  });
  const headers: HeaderField[] = response.fields.filter(([name]) => name !== "content-length");
  const { status, bodyBytes } = response;
  const isShort = bodyBytes !== null && bodyBytes <= SHORT_BYTES;
  return { status, headers, bodyBytes, body: isShort ? await all(response) : streamed(response) };
}

async function all(response: ServerResponse): Promise<Uint8Array> {
  const first = await response.read();
  if (first === null) return new Uint8Array(0);
  let whole = first;
  for (let more; (more = await response.read()) !== null;) {
    const joined = new Uint8Array(whole.length + more.length);
    joined.set(whole);
    joined.set(more, whole.length);
    whole = joined;
  }
  return whole;
}

function streamed(response: ServerResponse): Answer["body"] {
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  return {
    ended,
    async read() {
      const chunk = await response.read();
      if (chunk === null) resolve();
      return chunk;
    },
    cancel() {
      response.cancel();
      resolve();
      return Promise.resolve();
    },
  };
}

const { url } = await listen({
  hostname: HOSTNAME,
  port: 0,
  tls: null,
  handle,
  log: createLog({ write: () => {}, isTerminal: false, level: "error" }),
  networkOf: () => null,
  senderOf: () => ({ address: HOSTNAME, scheme: null }),
});
Deno.stdout.writeSync(new TextEncoder().encode(`${url}\n`));

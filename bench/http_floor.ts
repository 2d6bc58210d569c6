/**
 * What no provider can beat that stands where ours does: our listener and our client of servers,
 * and between them what any proxy of ours does to a message. The program gets the same request, and
 * the caller the same answer, of which nobody asks who called what and who pays. Every request goes
 * to one instance of the program in the folder that is its argument, in the same sandbox.
 */
import { createLog } from "../lib/log.ts";
import { announced } from "../lib/provider/call/call.ts";
import { isolate } from "../lib/provider/http/isolation.ts";
import type { Answer, HttpRequest } from "../lib/provider/http/request.ts";
import { httpInvocation } from "../lib/provider/program/interface/http.ts";
import { responseHeaders } from "../lib/provider/program/interface/http_run.ts";
import type { ProgramRequest } from "../lib/provider/program/interface/interface.ts";
import { ServerConnection } from "../lib/provider/server/connection.ts";
import type { ServerResponse } from "../lib/provider/server/exchange.ts";
import { listen } from "../lib/provider/wire/listener.ts";
import { openBenchInstance } from "./http_instance.ts";

const HOSTNAME = "127.0.0.1";
const BASE = new URL(`http://${HOSTNAME}`);
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
  const asked = asProgram(request);
  const { request: head, id } = httpInvocation(asked);
  const response = await one.send({ ...head, body: request.body });
  const headers = isolate("path", responseHeaders(response.fields, asked, id));
  headers.push(["cache-control", "no-store"]);
  const { status, bodyBytes } = response;
  const isShort = bodyBytes !== null && bodyBytes <= SHORT_BYTES;
  return { status, headers, bodyBytes, body: isShort ? await all(response) : streamed(response) };
}

/** As below a deployment's path. */
function asProgram(request: HttpRequest): ProgramRequest {
  return {
    method: request.method,
    protocol: request.protocol,
    base: BASE,
    mount: "",
    path: request.path,
    query: request.query,
    headers: request.fields.list,
    hasBody: request.body !== null,
    bodyBytes: announced(request.fields),
    remoteAddress: request.sender.address,
    upgrade: null,
    payer: null,
  };
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
  place: { hostname: HOSTNAME, port: 0 },
  tls: null,
  handle,
  log: createLog({ write: () => {}, isTerminal: false, level: "error" }),
  networkOf: () => null,
  senderOf: () => ({ address: HOSTNAME, scheme: null }),
});
Deno.stdout.writeSync(new TextEncoder().encode(`${url}\n`));

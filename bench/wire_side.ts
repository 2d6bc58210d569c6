/**
 * One of the servers that bench/wire.ts compares, by its name as the argument. All do the same:
 * `GET /` is a hello, `GET /down?BYTES` a stream, `POST /up` takes a body and says its length.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createLog } from "../lib/log.ts";
import type { AnswerStream, HttpRequest } from "../lib/provider/http/request.ts";
import { listen } from "../lib/provider/wire/listener.ts";
import { textAnswer } from "../worlds/wire.ts";

const HOSTNAME = "127.0.0.1";
const HELLO = "hello\n";
const CHUNK = new Uint8Array(65_536);

/** Starts it and returns its port. */
const SERVERS: Readonly<Record<string, () => Promise<number>>> = {
  "khachapuri": startOurs,
  "node:http": startNode,
  "Deno.serve": startDeno,
};

async function startOurs(): Promise<number> {
  const { url } = await listen({
    place: { hostname: HOSTNAME, port: 0 },
    tls: null,
    handle: async ({ path, query, body }) => {
      if (path === "/down") return { ...textAnswer(""), body: chunks(Number(query)) };
      return textAnswer(path === "/up" ? String(await lengthOf(body)) : HELLO);
    },
    log: createLog({ write: () => {}, isTerminal: false, level: "error" }),
    networkOf: () => null,
    senderOf: () => ({ address: HOSTNAME, scheme: null }),
  });
  return Number(new URL(url).port);
}

function chunks(bytes: number): AnswerStream {
  const left = pieces(bytes);
  const ended = Promise.withResolvers<void>();
  return {
    read() {
      const { value = null } = left.next();
      if (value === null) ended.resolve();
      return Promise.resolve(value);
    },
    cancel: () => Promise.resolve(),
    ended: ended.promise,
  };
}

async function lengthOf(body: HttpRequest["body"]): Promise<number> {
  let length = 0;
  for (let chunk; (chunk = await body?.read() ?? null) !== null;) length += chunk.length;
  return length;
}

function* pieces(bytes: number): Generator<Uint8Array<ArrayBuffer>> {
  for (let left = bytes; left > 0; left -= CHUNK.length) yield CHUNK.subarray(0, left);
}

/** Undefined: it is no stream that is asked for. */
function downBytes(target: string): number | undefined {
  const asked = /^\/down\?([0-9]+)$/.exec(target)?.[1];
  return asked === undefined ? undefined : Number(asked);
}

function startNode(): Promise<number> {
  const server = createServer(async (request, response) => {
    const bytes = downBytes(request.url!);
    if (bytes !== undefined) return sendDown(response, bytes);
    response.end(request.url === "/up" ? String(await countUp(request)) : HELLO);
  });
  return new Promise((resolve) => {
    server.listen(0, HOSTNAME, () => resolve((server.address() as AddressInfo).port));
  });
}

async function sendDown(response: ServerResponse, bytes: number): Promise<void> {
  for (const piece of pieces(bytes)) {
    if (response.write(piece)) continue;
    await new Promise((resolve) => response.once("drain", resolve));
  }
  response.end();
}

async function countUp(request: IncomingMessage): Promise<number> {
  let length = 0;
  for await (const chunk of request) length += chunk.length;
  return length;
}

function startDeno(): Promise<number> {
  const server = Deno.serve(
    { hostname: HOSTNAME, port: 0, onListen: () => {} },
    async (request) => {
      const path = request.url.slice(request.url.indexOf("/", "http://".length));
      const bytes = downBytes(path);
      if (bytes !== undefined) return new Response(downStream(bytes));
      if (path !== "/up") return new Response(HELLO);
      let length = 0;
      for await (const chunk of request.body!) length += chunk.length;
      return new Response(String(length));
    },
  );
  return Promise.resolve(server.addr.port);
}

function downStream(bytes: number): ReadableStream<Uint8Array> {
  const left = pieces(bytes);
  return new ReadableStream({
    pull(controller) {
      const { value, done } = left.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
}

const port = await SERVERS[Deno.args[0]!]!();
Deno.stdout.writeSync(new TextEncoder().encode(`${port}\n`));

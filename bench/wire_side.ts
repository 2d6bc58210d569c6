/**
 * One of the servers that bench/wire.ts compares, by its name as the argument. All do the same:
 * `GET /` is a hello, `GET /down` a stream of 16 MB and `GET /down/BYTES` of so many, `POST /up`
 * takes a body and says its length.
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
const DOWN_BYTES = 16_000_000;

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
    handle: async ({ path, body }) => {
      if (path.startsWith("/down")) return { ...textAnswer(""), body: chunks(path) };
      return textAnswer(path === "/up" ? String(await lengthOf(body)) : HELLO);
    },
    log: createLog({ write: () => {}, isTerminal: false, level: "error" }),
    networkOf: () => null,
    senderOf: () => ({ address: HOSTNAME, scheme: null }),
  });
  return Number(new URL(url).port);
}

/** What a path asks for, in pieces. */
function* piecesOf(path: string): Generator<Uint8Array<ArrayBuffer>, null> {
  const asked = path.split("/")[2];
  let left = asked === undefined ? DOWN_BYTES : Number(asked);
  for (; left > 0; left -= CHUNK.length) yield CHUNK.subarray(0, left);
  return null;
}

function chunks(path: string): AnswerStream {
  const pieces = piecesOf(path);
  const ended = Promise.withResolvers<void>();
  return {
    read() {
      const { value = null } = pieces.next();
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

function startNode(): Promise<number> {
  const server = createServer(async (request, response) => {
    if (request.url!.startsWith("/down")) return sendDown(response, request.url!);
    response.end(request.url === "/up" ? String(await countUp(request)) : HELLO);
  });
  return new Promise((resolve) => {
    server.listen(0, HOSTNAME, () => resolve((server.address() as AddressInfo).port));
  });
}

async function sendDown(response: ServerResponse, path: string): Promise<void> {
  for (const piece of piecesOf(path)) {
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
      if (path.startsWith("/down")) return new Response(downStream(path));
      if (path !== "/up") return new Response(HELLO);
      let length = 0;
      for await (const chunk of request.body!) length += chunk.length;
      return new Response(String(length));
    },
  );
  return Promise.resolve(server.addr.port);
}

function downStream(path: string): ReadableStream<Uint8Array> {
  const pieces = piecesOf(path);
  return new ReadableStream({
    pull(controller) {
      const { value = null } = pieces.next();
      if (value === null) controller.close();
      else controller.enqueue(value);
    },
  });
}

const port = await SERVERS[Deno.args[0]!]!();
Deno.stdout.writeSync(new TextEncoder().encode(`${port}\n`));

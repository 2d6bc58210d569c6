/** Nodes of a fleet whose parts the test plays, as the proxy before them sees them. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Heads that a proxy makes longer are taken all the same. */
const HEAD_BYTES = 128 * 1024;

const SWITCHING =
  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
/** RFC 6455 section 1.3; proxies look at what it makes. */
const HANDSHAKE_SALT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

export interface PlayedNode extends AsyncDisposable {
  readonly name: string;
  /** host:port */
  readonly address: string;
  /** Calls that have come, as `GET /a`, each as often as it came; nothing of what checks send. */
  readonly calls: string[];
  /** How many connections it has taken, those of checks among them. */
  readonly connections: () => number;
  /** The header fields of the last one. */
  fields: IncomingMessage["headers"];
  /** What it says at /readyz. */
  isReady: boolean;
  /** How many calls wait for `release`. */
  held(): number;
  /** Answers those that wait. */
  release(): void;
  /** Resolves with the next call, once its head is here. */
  called(): Promise<void>;
  /** It listens no more, and all that is connected breaks off. */
  die(): Promise<void>;
}

/**
 * Starts one. What follows a call's first path segment says what becomes of it: /held waits, /503
 * is a program's own, /cut breaks the connection once the call is here, /head answers with a head
 * of 60 KiB; all others say the node's name. A WebSocket echoes.
 */
export async function startNode(name: string): Promise<PlayedNode> {
  const held: (() => void)[] = [];
  let onCall = () => {};
  const server = createServer({ maxHeaderSize: HEAD_BYTES }, (request, response) => {
    if (request.url === "/readyz") return void response.writeHead(node.isReady ? 200 : 503).end();
    note(request);
    play(request, response);
  });
  const note = ({ method, url, headers }: IncomingMessage) => {
    node.calls.push(`${method} ${url}`);
    node.fields = headers;
    onCall();
  };
  const play = (request: IncomingMessage, response: ServerResponse) => {
    const [, , part] = request.url!.split("/");
    if (part === "cut") return void request.socket.destroy();
    if (part === "503") return void response.writeHead(503).end("mine\n");
    if (part === "head") return void response.setHeader("x-long", "x".repeat(60 * 1024)).end(name);
    if (part !== "held") return void response.end(`${name}\n`);
    held.push(() => response.end(`${name}\n`));
  };
  server.on("upgrade", (request, socket: Socket) => {
    note(request);
    const key = request.headers["sec-websocket-key"] + HANDSHAKE_SALT;
    const accept = createHash("sha1").update(key).digest("base64");
    socket.write(`${SWITCHING}Sec-WebSocket-Accept: ${accept}\r\n\r\n`);
    socket.pipe(socket);
  });
  const sockets = new Set<Socket>();
  let connections = 0;
  server.on("connection", (socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const node: PlayedNode = {
    name,
    address: `127.0.0.1:${port}`,
    calls: [],
    connections: () => connections,
    fields: {},
    isReady: true,
    held: () => held.length,
    release: () => held.splice(0).forEach((answer) => answer()),
    called: () => new Promise((resolve) => onCall = resolve),
    async die() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
    [Symbol.asyncDispose]: () => server.listening ? node.die() : Promise.resolve(),
  };
  return node;
}

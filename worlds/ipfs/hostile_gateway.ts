/**
 * Gateways that lie, stall, flood and mislead, over plain TCP so that nothing tidies up what they
 * send. Each behaviour is one function; the test names the one it wants.
 */
import { gzipSync } from "node:zlib";
import { cidOf, parseCid, RAW } from "../../lib/cid.ts";
import { writeCar } from "../../lib/ipfs/car.ts";
import type { Dag } from "../../lib/ipfs/dag.ts";

/** One request to answer badly. */
export interface Exchange {
  path: string;
  format: "car" | "raw";
  dag: Dag;
  /** The honest answer's body. */
  honest: Uint8Array;
  send(bytes: Uint8Array | string): Promise<void>;
  /** Resolves when the client hangs up or the gateway stops. */
  closed: Promise<void>;
  /** How often the gateway was asked before. */
  turn: number;
}

export type Behaviour = (exchange: Exchange) => Promise<void>;

export interface HostileGateway extends AsyncDisposable {
  url: string;
  /** Paths with query, in the order in which they were asked. */
  requests: string[];
  /** Resolves with the first request. */
  asked: Promise<void>;
  stop(): Promise<void>;
}

const TYPES = { car: "application/vnd.ipld.car; version=1", raw: "application/vnd.ipld.raw" };

/** Starts a gateway that has `dag` and answers every request with `behaviour`. */
export function startHostileGateway(dag: Dag, behaviour: Behaviour): HostileGateway {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const requests: string[] = [];
  const first = Promise.withResolvers<void>();
  const connections = new Map<Deno.Conn, Promise<void>>();
  const accepting = (async () => {
    for await (const connection of listener) {
      const noted: Behaviour = (exchange) => {
        first.resolve();
        return behaviour(exchange);
      };
      const done = serve(connection, dag, noted, requests).finally(() =>
        connections.delete(connection)
      );
      connections.set(connection, done);
    }
  })();
  const stop = async () => {
    listener.close();
    await accepting;
    for (const connection of connections.keys()) close(connection);
    await Promise.all(connections.values());
  };
  const { port } = listener.addr as Deno.NetAddr;
  const url = `http://127.0.0.1:${port}`;
  return { url, requests, asked: first.promise, stop, [Symbol.asyncDispose]: stop };
}

async function serve(
  connection: Deno.Conn,
  dag: Dag,
  behaviour: Behaviour,
  requests: string[],
): Promise<void> {
  try {
    const head = await readHead(connection);
    const path = head.split(" ")[1] ?? "/";
    const url = new URL(path, "http://gateway");
    const format = url.searchParams.get("format") === "car" ? "car" : "raw";
    const turn = requests.push(path) - 1;
    const send = async (bytes: Uint8Array | string) => {
      let rest = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
      while (rest.length > 0) rest = rest.subarray(await connection.write(rest));
    };
    const closed = untilClosed(connection);
    await behaviour({
      path,
      format,
      dag,
      honest: honestBody(dag, url, format),
      send,
      closed,
      turn,
    });
  } catch {
    // The client hung up, which is what most of these tests hope for.
  } finally {
    close(connection);
  }
}

async function readHead(connection: Deno.Conn): Promise<string> {
  let head = "";
  const buffer = new Uint8Array(16_384);
  while (!head.includes("\r\n\r\n")) {
    const length = await connection.read(buffer);
    if (length === null) throw new Error("hung up");
    head += new TextDecoder().decode(buffer.subarray(0, length));
  }
  return head;
}

async function untilClosed(connection: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(1_024);
  try {
    while (await connection.read(buffer) !== null) { /* a pipelined request changes nothing */ }
  } catch { /* reset or closed by us */ }
}

function honestBody(dag: Dag, url: URL, format: "car" | "raw"): Uint8Array {
  if (format === "car") return writeCar(dag);
  const cid = parseCid(url.pathname.replace("/ipfs/", ""));
  return dag.blocks.find((block) => block.cid.equals(cid))?.bytes ?? new Uint8Array();
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch { /* already closed */ }
}

/** A response head; what is not given is honest. */
export function head(
  exchange: Exchange,
  options: { status?: string; type?: string; headers?: Record<string, string | number> } = {},
): string {
  const headers: Record<string, string | number> = {
    "content-type": options.type ?? TYPES[exchange.format],
    "connection": "close",
    ...options.headers,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${options.status ?? "200 OK"}\r\n${lines.join("")}\r\n`;
}

/** Answers with a status and nothing else. */
export function status(line: string, headers: Record<string, string> = {}): Behaviour {
  return (exchange) =>
    exchange.send(head(exchange, {
      status: line,
      type: "text/plain",
      headers: { "content-length": 0, ...headers },
    }));
}

/** Answers 200 with this body. */
export function body(
  bytes: (exchange: Exchange) => Uint8Array | string,
  type?: string,
): Behaviour {
  return async (exchange) => {
    await exchange.send(head(exchange, type === undefined ? {} : { type }));
    await exchange.send(bytes(exchange));
  };
}

/** Behaves so for CARs, and otherwise for single blocks. */
export function byFormat(car: Behaviour, raw: Behaviour): Behaviour {
  return (exchange) => (exchange.format === "car" ? car : raw)(exchange);
}

export const honest: Behaviour = body(({ honest }) => honest);

/** The last byte of the content is another one. */
export const lie: Behaviour = body(({ honest }) => {
  const bytes = honest.slice();
  bytes[bytes.length - 1]! ^= 1;
  return bytes;
});

/** Half of the body, then a clean end. */
export const truncate: Behaviour = body(({ honest }) => honest.subarray(0, honest.length / 2));

/** Half of the body, then silence with the connection open. */
export const stall: Behaviour = async (exchange) => {
  await truncate(exchange);
  await exchange.closed;
};

/** Takes the request and never answers. */
export const silence: Behaviour = (exchange) => exchange.closed;

/** One byte, then one more whenever the last one is through: progress that leads nowhere. */
export function drip(everyMs: number): Behaviour {
  return async (exchange) => {
    await exchange.send(head(exchange));
    for (const byte of exchange.honest) {
      await exchange.send(Uint8Array.of(byte));
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  };
}

/** Valid blocks that nobody asked for, for ever. */
export const unrelatedForever: Behaviour = async (exchange) => {
  const bytes = new Uint8Array(64 * 1024);
  const root = cidOf(RAW, bytes);
  const empty = writeCar({ root, blocks: [] });
  await exchange.send(head(exchange));
  await exchange.send(empty);
  for (let count = 0;; count++) {
    new DataView(bytes.buffer).setUint32(0, count);
    const block = { cid: cidOf(RAW, bytes), bytes };
    await exchange.send(writeCar({ root, blocks: [block] }).subarray(empty.length));
  }
};

/** The root, and then the root again and again. */
export const repeatForever: Behaviour = async (exchange) => {
  const { root, blocks } = exchange.dag;
  const empty = writeCar({ root, blocks: [] });
  await exchange.send(head(exchange));
  await exchange.send(empty);
  const section = writeCar({ root, blocks: [blocks[0]!] }).subarray(empty.length);
  for (;;) await exchange.send(section);
};

/** An error message behind the content, as Kubo does when it must cut a stream. */
export const trailingError: Behaviour = body(({ honest }) => {
  const text = new TextEncoder().encode("\nerror: context deadline exceeded\n");
  return Uint8Array.from([...honest, ...text]);
});

export const captcha: Behaviour = body(
  () => "<!doctype html><title>Are you a robot?</title>",
  "text/html; charset=utf-8",
);

/** A redirect to wherever. */
export function redirect(to: string | ((exchange: Exchange) => string)): Behaviour {
  return (exchange) =>
    status("302 Found", { location: typeof to === "string" ? to : to(exchange) })(exchange);
}

/** 64 MiB of zeros in 64 KiB, announced as a content coding. */
export const gzipBomb: Behaviour = async (exchange) => {
  await exchange.send(head(exchange, { headers: { "content-encoding": "gzip" } }));
  await exchange.send(gzipSync(new Uint8Array(64 * 1024 * 1024)));
};

/** Announces a length that the body does not have. */
export function wrongLength(difference: number): Behaviour {
  return async (exchange) => {
    const length = exchange.honest.length + difference;
    await exchange.send(head(exchange, { headers: { "content-length": length } }));
    await exchange.send(exchange.honest);
  };
}

/** A response head of `bytes` bytes. */
export function longHead(bytes: number): Behaviour {
  return async (exchange) => {
    await exchange.send(head(exchange, { headers: { "x-filler": "x".repeat(bytes) } }));
    await exchange.send(exchange.honest);
  };
}

/** Closes with unread data in its own buffer, which TCP answers with a reset, inside a block. */
export const reset: Behaviour = async (exchange) => {
  const length = exchange.honest.length;
  await exchange.send(head(exchange, { headers: { "content-length": length } }));
  await exchange.send(exchange.honest.subarray(0, length / 2));
};

/** A listener of the provider's on loopback, and sockets on which a test says what it likes. */
import type { Answer, Handle, HttpRequest } from "../lib/provider/http/request.ts";
import type { CertificateFiles } from "../lib/provider/wire/certificate.ts";
import { listen, type Listener } from "../lib/provider/wire/listener.ts";
import { type HeardLog, hearLog } from "./heard_log.ts";

export interface Wire extends AsyncDisposable, Omit<HeardLog, "log"> {
  readonly listener: Listener;
  readonly url: string;
  readonly port: number;
  /** Opens a connection of a test's own. */
  connect(): Promise<RawSocket>;
  /** Sends octets (as Latin-1) and returns all that comes until the end of the connection. */
  say(text: string): Promise<string>;
}

export async function openWire(
  handle: Handle,
  tls: CertificateFiles | null = null,
  networkOf: (address: string) => string | null = () => null,
): Promise<Wire> {
  const { log, ...heard } = hearLog();
  const listener = await listen({
    place: { hostname: "127.0.0.1", port: 0 },
    tls,
    handle,
    log,
    networkOf,
    senderOf: ({ socket }) => ({ address: socket.remoteAddress ?? "", scheme: null }),
  });
  const port = Number(new URL(listener.url).port);
  return {
    ...heard,
    listener,
    url: listener.url,
    port,
    connect: () => connect(listener.url),
    say: (text) => say(listener.url, text),
    [Symbol.asyncDispose]: () => listener.stop(0),
  };
}

/** Opens a connection on which a test says what it likes. */
export async function connect(url: string): Promise<RawSocket> {
  const { hostname, port } = new URL(url);
  return new RawSocket(await Deno.connect({ hostname, port: Number(port) }));
}

/** Sends octets (as Latin-1) to a server and returns all that comes until the connection ends. */
export async function say(url: string, text: string): Promise<string> {
  await using socket = await connect(url);
  await socket.write(text);
  return await socket.readAll();
}

/** Octets in and out, as Latin-1. */
export class RawSocket implements AsyncDisposable {
  #isOpen = true;

  constructor(private readonly connection: Deno.TcpConn) {}

  async write(text: string): Promise<void> {
    const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
    for (let at = 0; at < bytes.length;) at += await this.connection.write(bytes.subarray(at));
  }

  /** Sends no more; still reads. */
  async closeWrite(): Promise<void> {
    await this.connection.closeWrite();
  }

  /** What comes next; null at the end. Fails when the connection was reset. */
  async read(): Promise<string | null> {
    const buffer = new Uint8Array(65_536);
    const size = await this.connection.read(buffer);
    if (size === null) return null;
    return Array.from(buffer.subarray(0, size), (byte) => String.fromCharCode(byte)).join("");
  }

  /** Reads on until `mark` has come; returns all up to then. */
  async readUntil(mark: string): Promise<string> {
    let text = "";
    while (!text.includes(mark)) {
      const more = await this.read();
      if (more === null) throw new Error(`the connection ended after ${JSON.stringify(text)}`);
      text += more;
    }
    return text;
  }

  /** Everything until the end. Fails when the connection was reset. */
  async readAll(): Promise<string> {
    let text = "";
    for (let more; (more = await this.read()) !== null;) text += more;
    return text;
  }

  close(): void {
    if (this.#isOpen) this.connection.close();
    this.#isOpen = false;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }
}

/** All of a request's body as text. */
export async function textOf({ body }: Pick<HttpRequest, "body">): Promise<string> {
  let text = "";
  for (let chunk; (chunk = await body?.read() ?? null) !== null;) {
    text += new TextDecoder().decode(chunk);
  }
  return text;
}

/** An answer that is text. */
export function textAnswer(text: string, status = 200): Answer {
  return {
    status,
    headers: [["content-type", "text/plain"]],
    body: new TextEncoder().encode(text),
  };
}

/** Answers with what came, as JSON; with 400 and the reason when its body breaks off. */
export const mirror: Handle = async (request) => {
  const { method, path, query, host, protocol, fields } = request;
  try {
    const body = request.body && await textOf(request);
    return textAnswer(
      JSON.stringify({ method, path, query, host, protocol, fields: fields.list, body }),
    );
  } catch (error) {
    return textAnswer((error as Error).message, 400);
  }
};

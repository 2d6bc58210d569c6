/** A bare TCP server that keeps each request as it came, octet by octet, and answers 200. */

export interface RecordedRequest {
  /** The request line; octets as Latin-1, as are the others. */
  start: string;
  /** Field lines in order. */
  fields: string[];
  /** Without the framing of chunks. */
  body: string;
}

export interface Recorder extends AsyncDisposable {
  /** `http://127.0.0.1:port`. */
  readonly origin: string;
  /** The latest request, once; null when there was none. */
  take(): RecordedRequest | null;
}

export function startRecorder(): Recorder {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const requests: RecordedRequest[] = [];
  const pending = new Set<Promise<void>>();
  const accepting = (async () => {
    for await (const connection of listener) {
      const served = serve(connection, requests).catch(() => {}).finally(() => {
        connection.close();
        pending.delete(served);
      });
      pending.add(served);
    }
  })();
  return {
    origin: `http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`,
    take: () => requests.splice(0).at(-1) ?? null,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      await Promise.all(pending);
    },
  };
}

async function serve(connection: Deno.Conn, requests: RecordedRequest[]): Promise<void> {
  const wire = new Wire(connection);
  const [start, ...fields] = (await wire.until("\r\n\r\n")).split("\r\n");
  const valueOf = (name: string) =>
    fields.find((field) => field.toLowerCase().startsWith(`${name}:`))?.slice(name.length + 1)
      .trim();
  const isChunked = valueOf("transfer-encoding") === "chunked";
  const length = Number(valueOf("content-length") ?? 0);
  if (valueOf("expect") && (isChunked || length > 0)) {
    await wire.write("HTTP/1.1 100 Continue\r\n\r\n");
  }
  const body = isChunked ? await chunks(wire) : await wire.take(length);
  requests.push({ start: start!, fields, body });
  const isHead = start!.startsWith("HEAD ");
  await wire.write(
    `HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n${isHead ? "" : "ok"}`,
  );
}

async function chunks(wire: Wire): Promise<string> {
  let body = "";
  while (true) {
    const size = parseInt(await wire.until("\r\n"), 16);
    const chunk = await wire.take(size);
    await wire.until("\r\n");
    if (size === 0) return body;
    body += chunk;
  }
}

class Wire {
  #unread = "";
  constructor(readonly connection: Deno.Conn) {}

  async until(end: string): Promise<string> {
    while (!this.#unread.includes(end)) await this.#more();
    const at = this.#unread.indexOf(end);
    const found = this.#unread.slice(0, at);
    this.#unread = this.#unread.slice(at + end.length);
    return found;
  }

  async take(count: number): Promise<string> {
    while (this.#unread.length < count) await this.#more();
    const taken = this.#unread.slice(0, count);
    this.#unread = this.#unread.slice(count);
    return taken;
  }

  async write(text: string): Promise<void> {
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) at += await this.connection.write(bytes.subarray(at));
  }

  async #more(): Promise<void> {
    const buffer = new Uint8Array(65_536);
    const count = await this.connection.read(buffer);
    if (count === null) throw new Error("the request broke off");
    this.#unread += String.fromCharCode(...buffer.subarray(0, count));
  }
}

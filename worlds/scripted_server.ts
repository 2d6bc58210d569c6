/** A server on a unix socket that says, octet for octet, what a test wants. */

const RECEIVED_BYTES = 64 * 1024;

export interface ScriptedServer extends AsyncDisposable {
  readonly path: string;
  /** The next connection that somebody makes. */
  accept(): Promise<ServerSide>;
}

export async function openScriptedServer(): Promise<ScriptedServer> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/s`;
  const listener = Deno.listen({ transport: "unix", path });
  const sides: ServerSide[] = [];
  return {
    path,
    async accept() {
      const side = new ServerSide(await listener.accept());
      sides.push(side);
      return side;
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const side of sides) side.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** The server's end of a connection. Octets in and out, as Latin-1. */
export class ServerSide {
  #text = "";
  #isOpen = true;

  constructor(private readonly socket: Deno.UnixConn) {}

  /** All that comes up to `end` and with it. */
  async until(end: string): Promise<string> {
    while (!this.#text.includes(end)) {
      const more = await this.#receive();
      if (more === null) throw new Error(`ended with ${JSON.stringify(this.#text)}`);
      this.#text += more;
    }
    const length = this.#text.indexOf(end) + end.length;
    const text = this.#text.slice(0, length);
    this.#text = this.#text.slice(length);
    return text;
  }

  /** What is there, or comes next; null at the end, also at one that broke off. */
  some(): Promise<string | null> {
    const text = this.#text;
    this.#text = "";
    return text === "" ? this.#receive() : Promise.resolve(text);
  }

  /** All that comes until the end. */
  async rest(): Promise<string> {
    let text = "";
    for (let more = await this.some(); more !== null; more = await this.some()) text += more;
    return text;
  }

  async #receive(): Promise<string | null> {
    const buffer = new Uint8Array(RECEIVED_BYTES);
    const count = await this.socket.read(buffer).catch(() => null);
    return count === null ? null : textOf(buffer.subarray(0, count));
  }

  /** Resolves when the socket has taken all of it. */
  async write(octets: string): Promise<void> {
    const bytes = bytesOf(octets);
    for (let at = 0; at < bytes.length;) at += await this.socket.write(bytes.subarray(at));
  }

  /** Ends its half. */
  end(): Promise<void> {
    return this.socket.closeWrite();
  }

  close(): void {
    if (this.#isOpen) this.socket.close();
    this.#isOpen = false;
  }
}

export function bytesOf(octets: string): Uint8Array {
  return Uint8Array.from(octets, (character) => character.charCodeAt(0));
}

export function textOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

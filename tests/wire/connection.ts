/** A TCP connection that sends the octets it is told to, and reads answers by RFC 9112 alone. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";

/** One answer as it stood on the wire; octets as Latin-1. */
export interface Answer {
  readonly protocol: string;
  readonly status: number;
  /** In order as sent, names in lower case. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  /** What its end was told by. */
  readonly framing: "none" | "length" | "chunked" | "close";
  /** Whether all came that was announced; an answer that lasts until the close looks whole. */
  readonly isWhole: boolean;
  /** Fields behind the body, in order as sent, names in lower case. */
  readonly trailers: Answer["fields"];
}

/** How the other side ended the connection: by FIN, by RST, or not at all until the deadline. */
export type Ending = "closed" | "reset" | "open";

const STATUS_LINE = /^(HTTP\/1\.[01]) ([1-5][0-9]{2}) [\t \x21-\x7e\x80-\xff]*$/;
const FIELD_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*([\t \x21-\x7e\x80-\xff]*)$/;
const CHUNK_LINE = /^([0-9A-Fa-f]{1,8})(?:;[\t \x21-\x7e\x80-\xff]*)?$/;

export const toOctets = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
/** Not TextDecoder, whose "latin1" is Windows-1252. */
export const fromOctets = (octets: Uint8Array) => Buffer.from(octets).toString("latin1");

/** The values of a field, in order. */
export function valuesOf({ fields }: Answer, name: string): string[] {
  return fields.filter(([each]) => each === name).map(([, value]) => value);
}

export class Connection implements Disposable {
  #unread = "";
  #ending: Ending | null = null;
  #isShut = false;

  private constructor(private readonly conn: Deno.TcpConn) {}

  static async open(port: number): Promise<Connection> {
    return new Connection(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** Sends octets as Latin-1. That the other side has gone is for `readAnswer` to see. */
  async send(octets: string): Promise<void> {
    const bytes = toOctets(octets);
    try {
      for (let sent = 0; sent < bytes.length;) sent += await this.conn.write(bytes.subarray(sent));
    } catch (error) {
      if (!isReset(error)) throw error;
    }
  }

  /** Ends our side; the other may still answer. */
  async sendEnd(): Promise<void> {
    await this.conn.closeWrite().catch((error) => {
      if (!isReset(error)) throw error;
    });
  }

  /**
   * The next answer; null when the connection ends, or the deadline comes, before it begins.
   * @param method of the request, as answers to HEAD have no body
   * @throws AssertionError when it is malformed
   */
  async readAnswer(method: string, deadlineMs: number): Promise<Answer | null> {
    using _ = this.#deadline(deadlineMs);
    const head = await this.#upTo("\r\n\r\n");
    if (head === null) {
      assert.equal(this.#unread, "", `half a head: ${JSON.stringify(this.#unread.slice(0, 200))}`);
      return null;
    }
    const [first, ...lines] = head.split("\r\n");
    const [, protocol = "", code = ""] = STATUS_LINE.exec(first!) ?? [];
    assert.ok(code, `no status line: ${JSON.stringify(first)}`);
    const fields = lines.map(fieldOf);
    const status = Number(code);
    const framing = framingOf(method, status, fields);
    return {
      protocol,
      status,
      fields,
      framing,
      trailers: [],
      ...await this.#body(framing, fields),
    };
  }

  /** Waits until this has come, which is left to be read. */
  async hear(text: string, deadlineMs: number): Promise<void> {
    using _ = this.#deadline(deadlineMs);
    while (!this.#unread.includes(text)) {
      assert.equal(this.#ending, null, `no ${JSON.stringify(text)} in ${this.#unread}`);
      await this.#more();
    }
  }

  /** Takes so many octets as they are, behind a 101. */
  async take(count: number, deadlineMs: number): Promise<string> {
    using _ = this.#deadline(deadlineMs);
    return await this.#take(count);
  }

  /** Reads to the end of a head, and leaves the rest. */
  async readHead(deadlineMs: number): Promise<void> {
    using _ = this.#deadline(deadlineMs);
    assert.ok(await this.#upTo("\r\n\r\n") !== null, "no head");
  }

  /** How the connection ends once nothing more comes; fails when something does. */
  async readEnd(deadlineMs: number): Promise<Ending> {
    using _ = this.#deadline(deadlineMs);
    while (this.#ending === null) await this.#more();
    assert.equal(this.#unread, "", `after the last answer: ${JSON.stringify(this.#unread)}`);
    return this.#ending;
  }

  [Symbol.dispose](): void {
    if (!this.#isShut) this.conn.close();
    this.#isShut = true;
  }

  async #body(framing: Answer["framing"], fields: Answer["fields"]) {
    switch (framing) {
      case "none":
        return { body: "", isWhole: true };
      case "length": {
        const length = Number(fields.find(([name]) => name === "content-length")![1]);
        const body = await this.#take(length);
        return { body, isWhole: body.length === length };
      }
      case "chunked":
        return await this.#chunks();
      case "close": {
        const body = await this.#take(Infinity);
        return { body, isWhole: this.#ending === "closed" };
      }
    }
  }

  async #chunks(): Promise<Pick<Answer, "body" | "isWhole"> & Partial<Answer>> {
    let body = "";
    while (true) {
      const line = await this.#upTo("\r\n");
      if (line === null) return { body: body + this.#drop(), isWhole: false };
      const [, hex] = CHUNK_LINE.exec(line) ?? [];
      assert.ok(hex, `no chunk size: ${JSON.stringify(line)}`);
      const size = parseInt(hex, 16);
      if (size === 0) {
        const trailers: Answer["fields"][number][] = [];
        let end: string | null;
        while ((end = await this.#upTo("\r\n"))) trailers.push(fieldOf(end));
        return { body, isWhole: end === "", trailers };
      }
      const chunk = await this.#take(size + 2);
      body += chunk.slice(0, size);
      if (chunk.length < size + 2) return { body, isWhole: false };
      assert.equal(chunk.slice(size), "\r\n", "a chunk that does not end where it says");
    }
  }

  /** What comes before the mark, which is taken as well; null when it does not come. */
  async #upTo(mark: string): Promise<string | null> {
    let at: number;
    while ((at = this.#unread.indexOf(mark)) < 0) {
      if (this.#ending !== null) return null;
      await this.#more();
    }
    const text = this.#unread.slice(0, at);
    this.#unread = this.#unread.slice(at + mark.length);
    return text;
  }

  /** So many octets, or those that came before the end. */
  async #take(count: number): Promise<string> {
    while (this.#unread.length < count && this.#ending === null) await this.#more();
    const text = this.#unread.slice(0, count);
    this.#unread = this.#unread.slice(count);
    return text;
  }

  #drop(): string {
    const text = this.#unread;
    this.#unread = "";
    return text;
  }

  async #more(): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    try {
      const count = await this.conn.read(buffer);
      if (count === null) this.#ending ??= "closed";
      else this.#unread += fromOctets(buffer.subarray(0, count));
    } catch (error) {
      if (this.#isShut) this.#ending = "open";
      else if (isReset(error)) this.#ending = "reset";
      else throw error;
    }
  }

  /** Gives up the connection when the time is over: a pending read then ends as "open". */
  #deadline(ms: number): Disposable {
    const timer = setTimeout(() => this[Symbol.dispose](), ms);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }
}

function fieldOf(line: string): Answer["fields"][number] {
  const [, name, value = ""] = FIELD_LINE.exec(line) ?? [];
  assert.ok(name, `no field line: ${JSON.stringify(line)}`);
  return [name.toLowerCase(), value.trimEnd()];
}

/** RFC 9112 section 6.3, for answers. */
function framingOf(method: string, status: number, fields: Answer["fields"]): Answer["framing"] {
  const values = (wanted: string) => fields.filter(([n]) => n === wanted).map(([, v]) => v);
  const [lengths, codings] = [values("content-length"), values("transfer-encoding")];
  assert.ok(lengths.length + codings.length <= 1, `lengths ${lengths}, codings ${codings}`);
  assert.ok(lengths.every((value) => /^(?:0|[1-9][0-9]*)$/.test(value)), `length ${lengths}`);
  assert.ok(codings.every((value) => value === "chunked"), `coding ${codings}`);
  if (status < 200 || status === 204) {
    assert.equal(lengths.length + codings.length, 0, `a ${status} has no length (RFC 9110 8.6)`);
  }
  if (method === "HEAD" || status < 200 || status === 204 || status === 304) return "none";
  if (codings.length > 0) return "chunked";
  return lengths.length > 0 ? "length" : "close";
}

function isReset(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.BadResource;
}

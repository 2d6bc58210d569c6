/** An HTTP/2 connection over TLS that sends whatever frames it is told to. */
import assert from "node:assert/strict";
import { fromOctets, toOctets } from "../connection.ts";
import {
  ACK,
  DATA,
  END_STREAM,
  frame,
  GOAWAY,
  HEADERS,
  PING,
  PREFACE,
  RST_STREAM,
  SETTINGS,
  statusOf,
} from "./frames.ts";

/** What came back on one stream, or for all of them. */
export interface Heard {
  readonly status: number | null;
  readonly body: string;
  /** Whether the stream's end came, by END_STREAM. */
  readonly isWhole: boolean;
  /** The error of an RST_STREAM. */
  readonly reset: number | null;
  /** Whether the connection was ended, by GOAWAY or by closing it. */
  readonly isEnded: boolean;
}

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: string;
}

const PROBE = "wireprobe".slice(0, 8);

export class Http2Connection implements Disposable {
  #unread = "";
  #isOver = false;

  private constructor(private readonly conn: Deno.TlsConn) {}

  /** Connects; the preface and our settings are the caller's to send. */
  static async open(port: number, certificate: string): Promise<Http2Connection> {
    const conn = await Deno.connectTls({
      hostname: "localhost",
      port,
      caCerts: [certificate],
      alpnProtocols: ["h2"],
    });
    const { alpnProtocol } = await conn.handshake();
    assert.equal(alpnProtocol, "h2");
    return new Http2Connection(conn);
  }

  /** Opens the connection as RFC 9113 section 3.4 has it. */
  async greet(): Promise<void> {
    await this.send(PREFACE + frame(SETTINGS, 0, 0, "") + frame(SETTINGS, ACK, 0, ""));
  }

  async send(octets: string): Promise<void> {
    const bytes = toOctets(octets);
    try {
      for (let sent = 0; sent < bytes.length;) sent += await this.conn.write(bytes.subarray(sent));
    } catch {
      this.#isOver = true;
    }
  }

  /** Reads until the stream or the connection has ended. */
  async hear(stream: number, deadlineMs: number): Promise<Heard> {
    using _ = this.#deadline(deadlineMs);
    let [status, body, isWhole, reset]: [number | null, string, boolean, number | null] = [
      null,
      "",
      false,
      null,
    ];
    while (!isWhole && reset === null) {
      const next = await this.#frame();
      if (!next || next.type === GOAWAY) return { status, body, isWhole, reset, isEnded: true };
      if (next.stream !== stream) continue;
      if (next.type === HEADERS && status === null) status = statusOf(next.payload);
      if (next.type === DATA) body += next.payload;
      if (next.type === RST_STREAM) reset = next.payload.charCodeAt(3);
      isWhole = (next.type === HEADERS || next.type === DATA) && (next.flags & END_STREAM) !== 0;
    }
    return { status, body, isWhole, reset, isEnded: false };
  }

  /** Whether it still answers, by PING. */
  async isAlive(deadlineMs: number): Promise<boolean> {
    using _ = this.#deadline(deadlineMs);
    await this.send(frame(PING, 0, 0, PROBE));
    while (true) {
      const next = await this.#frame();
      if (!next || next.type === GOAWAY) return false;
      if (next.type === PING && next.payload === PROBE) return true;
    }
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    try {
      this.conn.close();
    } catch {
      // The deadline has closed it.
    }
  }

  async #frame(): Promise<Frame | null> {
    const head = await this.#take(9);
    if (head === null) return null;
    const [a, b, c, type, flags, d, e, f, g] = [...head].map((char) => char.charCodeAt(0));
    const payload = await this.#take(a! * 65_536 + b! * 256 + c!);
    if (payload === null) return null;
    const stream = (d! & 0x7f) * 2 ** 24 + e! * 65_536 + f! * 256 + g!;
    return { type: type!, flags: flags!, stream, payload };
  }

  async #take(count: number): Promise<string | null> {
    const buffer = new Uint8Array(16 * 1024);
    while (this.#unread.length < count) {
      if (this.#isOver) return null;
      const read = await this.conn.read(buffer).catch(() => null);
      if (read === null) this.#isOver = true;
      else this.#unread += fromOctets(buffer.subarray(0, read));
    }
    const text = this.#unread.slice(0, count);
    this.#unread = this.#unread.slice(count);
    return text;
  }

  #deadline(ms: number): Disposable {
    const timer = setTimeout(() => this[Symbol.dispose](), ms);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }
}

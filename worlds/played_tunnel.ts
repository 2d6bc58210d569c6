/** A tunnel whose program is the test, and how a caller asks for one. */
import type { Answer, AnswerTunnel } from "../lib/provider/http/request.ts";

/** A handshake as browsers send it; @param fields in place of its own, or besides */
export function handshake(path = "/", fields: Record<string, string> = {}): string {
  const all = {
    "Host": "a",
    "Connection": "keep-alive, Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    ...fields,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

export class PlayedTunnel implements AnswerTunnel {
  readonly ended: Promise<unknown>;
  /** Resolves when the provider has closed it. */
  readonly closed: Promise<void>;
  /** How many bytes the program has been given. */
  taken = 0;
  /** The program takes no more before this resolves. */
  room: Promise<void> = Promise.resolve();
  readonly #over = Promise.withResolvers<void>();
  readonly #close = Promise.withResolvers<void>();
  #said: Uint8Array[] = [];
  #heard = "";
  #hasFinished = false;
  #failure: Error | null = null;
  #wake: () => void = () => {};

  constructor() {
    this.ended = this.#over.promise;
    this.ended.catch(() => {});
    this.closed = this.#close.promise;
  }

  get answer(): Answer {
    return { status: 101, headers: [["sec-websocket-accept", "yes"]], body: null, tunnel: this };
  }

  async read(): Promise<Uint8Array | null> {
    while (this.#said.length === 0 && !this.#hasFinished && !this.#failure) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const next = this.#said.shift();
    if (next) return next;
    if (this.#failure) throw this.#failure;
    return null;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.room;
    if (this.#failure) throw this.#failure;
    this.taken += bytes.length;
    if (this.taken < 100_000) this.#heard += new TextDecoder().decode(bytes);
    this.#onHeard();
  }

  close(): void {
    this.#close.resolve();
    this.finish();
  }

  /** The program speaks. */
  say(what: string | Uint8Array): void {
    this.#said.push(typeof what === "string" ? new TextEncoder().encode(what) : what);
    this.#wake();
  }

  /** It says no more. */
  finish(): void {
    this.#hasFinished = true;
    this.#wake();
    this.#over.resolve();
  }

  /** It dies; @param why also what its accounts fail with */
  break(why: Error): void {
    this.#failure = why;
    this.#wake();
    this.#over.reject(why);
  }

  /** The time that was paid for is over, though what the program said was not taken. */
  expire(): void {
    this.#over.reject(new Error("the caller took nothing"));
  }

  /** Resolves when the program has heard just this. */
  async heard(text: string): Promise<void> {
    while (this.#heard !== text) await new Promise<void>((resolve) => this.#onHeard = resolve);
  }

  #onHeard: () => void = () => {};
}

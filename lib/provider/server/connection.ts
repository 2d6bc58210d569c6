/** A connection to a server: one request after another (RFC 9112 section 9). */
import { KhachapuriError } from "../../errors.ts";
import { pause } from "../../pause.ts";
import { Exchange, reachedBy, withoutAnswer } from "./connection_exchange.ts";
import { ConnectionInput } from "./connection_input.ts";
import type { ServerRequest, ServerResponse } from "./exchange.ts";

/** How long a full queue of connections is waited for, and how often it is looked at. */
const OPEN_PATIENCE_MS = 2_000;
const OPEN_AGAIN_MS = 5;

/** Whether `send` failed as its connection ended without a byte of an answer. */
export function isUnanswered(error: unknown): boolean {
  return reachedBy(error) !== null;
}

/** Whether `send` (or `open`) failed before anything of the request was written. */
export function isUnwritten(error: unknown): boolean {
  return reachedBy(error) === "unwritten";
}

export class ServerConnection {
  readonly #input: ConnectionInput;
  #exchange: Exchange | null = null;
  #exchanges = 0;
  #isClosed = false;
  #onFree: (isReusable: boolean) => void = () => {};

  /**
   * Connects to the socket at `socketPath`.
   * @param onGone called once if it ends while idle: it was closed, or what is no answer came
   * @throws KhachapuriError `program_failed`, of which `isUnwritten` is true
   */
  static async open(socketPath: string, onGone: () => void = () => {}): Promise<ServerConnection> {
    const until = performance.now() + OPEN_PATIENCE_MS;
    while (true) {
      try {
        const socket = await Deno.connect({ transport: "unix", path: socketPath });
        return new ServerConnection(socket, onGone);
      } catch (cause) {
        // The queue of connections that the program has not taken is full; unlike TCP's it tells.
        const isFull = cause instanceof Deno.errors.WouldBlock;
        if (!isFull || performance.now() >= until) {
          throw withoutAnswer("unwritten", "the program takes no connections", cause);
        }
        await pause(OPEN_AGAIN_MS);
      }
    }
  }

  private constructor(
    private readonly socket: Deno.UnixConn,
    private readonly onGone: () => void,
  ) {
    this.#input = new ConnectionInput(socket);
    void this.#watch();
  }

  /** Whether it takes a request now. */
  get isOpen(): boolean {
    return !this.#isClosed && this.#exchange === null && this.#input.rest.length === 0;
  }

  /**
   * @param callback called once for each `send` that is to come or under way: with true when its
   * answer is over and its request written, or it was refused, so that the next may be sent, and
   * with false when the connection is over
   */
  whenFree(callback: (isReusable: boolean) => void): void {
    this.#onFree = callback;
  }

  /**
   * Sends a request; its body is written while the answer is read.
   * @throws KhachapuriError `program_failed`; `invalid_input` when HTTP cannot carry the request;
   * whatever the source of its body fails with
   */
  async send(request: ServerRequest): Promise<ServerResponse> {
    if (!this.isOpen) {
      if (!this.#exchange) this.#onFree(false);
      throw withoutAnswer("unwritten", "the connection to the program takes no request now");
    }
    this.#exchange = this.#exchangeOf(request);
    this.#exchanges++;
    return await this.#exchange.run();
  }

  #exchangeOf(request: ServerRequest): Exchange {
    try {
      return new Exchange({
        input: this.#input,
        write: (bytes) => this.socket.write(bytes),
        over: (isReusable) => this.#over(isReusable),
      }, request);
    } catch (refusal) {
      this.#onFree(true);
      throw refusal;
    }
  }

  /** Cuts it; what is under way fails. Calling it again does nothing. */
  close(): void {
    const exchange = this.#exchange;
    if (!exchange) return this.#closeSocket();
    exchange.cut(
      new KhachapuriError("program_failed", "the connection to the program was cut"),
    );
  }

  #over(isReusable: boolean): void {
    this.#exchange = null;
    if (isReusable) void this.#watch();
    else this.#closeSocket();
    this.#onFree(isReusable);
  }

  /** Nothing may come before a request is sent; what comes then is read by its exchange. */
  async #watch(): Promise<void> {
    const before = this.#exchanges;
    await this.#input.fill().catch(() => {});
    if (this.#isClosed || this.#exchanges !== before) return;
    this.#closeSocket();
    this.onGone();
  }

  #closeSocket(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.socket.close();
  }
}

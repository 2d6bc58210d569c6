/** The caller's end of a tunnel: its socket, on which what comes is nobody's HTTP any more. */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { KhachapuriError } from "../../errors.ts";
import { TUNNEL_CLOSE_TIMEOUT_MS, TUNNEL_UNTAKEN_BYTES_MAX } from "../../limits_of_servers.ts";
import type { Tunnel } from "../http/tunnel.ts";
import { roomIn } from "./outgoing.ts";

export class CallerEnd implements Tunnel {
  /** Resolves once nothing is left of its socket. */
  readonly gone: Promise<void>;
  /** What has come and was not read. */
  #untaken: Uint8Array[] = [];
  #bytes = 0;
  #isPaused = false;
  /** No more will be read of it: its caller has ended its side, or we do. */
  #hasEnded = false;
  #isGone = false;
  #isClosed = false;
  #reader: PromiseWithResolvers<Uint8Array | null> | null = null;

  /** @param ahead what came right behind the handshake */
  constructor(private readonly socket: Socket, ahead: Uint8Array) {
    this.gone = new Promise((resolve) => socket.once("close", resolve)).then(() => this.#leave());
    socket.once("end", () => this.end());
    this.take(ahead);
  }

  /** Bytes have come. */
  take(bytes: Uint8Array): void {
    if (this.#hasEnded || bytes.length === 0) return;
    this.#untaken.push(bytes);
    this.#bytes += bytes.length;
    this.#serve();
    if (this.#bytes < TUNNEL_UNTAKEN_BYTES_MAX || this.#isPaused) return;
    this.#isPaused = true;
    this.socket.pause();
  }

  /** What has come is still to be read, and nothing more. */
  end(): void {
    this.#hasEnded = true;
    this.#serve();
  }

  read(): Promise<Uint8Array | null> {
    this.#reader = Promise.withResolvers();
    const { promise } = this.#reader;
    this.#serve();
    return promise;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (!this.#isGone && this.socket.writable && this.socket.write(bytes)) return;
    if (!this.#isGone) await roomIn(this.socket);
    if (this.#isGone || this.socket.destroyed) throw hasGone();
  }

  /**
   * What was written goes out first. What still comes is dropped: a socket that is closed on unread
   * bytes is reset, and its caller may lose what it was told last.
   */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#untaken = [];
    this.#bytes = 0;
    this.end();
    this.#goOn();
    this.socket.end(() => {
      const late = setTimeout(() => this.socket.destroy(), TUNNEL_CLOSE_TIMEOUT_MS);
      this.gone.then(() => clearTimeout(late));
    });
  }

  #leave(): void {
    this.#isGone = true;
    this.#serve();
  }

  #serve(): void {
    const reader = this.#reader;
    if (reader === null) return;
    if (this.#bytes > 0) reader.resolve(this.#takeAll());
    else if (this.#hasEnded) reader.resolve(null);
    else if (this.#isGone) reader.reject(hasGone());
    else return;
    this.#reader = null;
  }

  #takeAll(): Uint8Array {
    const [first, ...more] = this.#untaken;
    this.#untaken = [];
    this.#bytes = 0;
    this.#goOn();
    return more.length === 0 ? first! : Buffer.concat([first!, ...more]);
  }

  #goOn(): void {
    if (this.#isPaused) this.socket.resume();
    this.#isPaused = false;
  }
}

function hasGone(): KhachapuriError {
  return new KhachapuriError("invalid_input", "the caller hung up");
}

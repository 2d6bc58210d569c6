/** A request of HTTP/1 as node reads it, whose small chunks are put together. */
import { Buffer } from "node:buffer";
import { IncomingMessage } from "node:http";

/**
 * Each chunk of a body would be kept by itself, and one of one byte takes some 300. So chunks that
 * came together are joined before they wait to be read.
 */
export class Message extends IncomingMessage {
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  /** @param piece null: the body ends here */
  override push(piece: Uint8Array | null): boolean {
    if (piece === null) {
      this.#join();
      return super.push(null);
    }
    if (this.#pieces.push(piece) === 1) queueMicrotask(() => this.#join());
    this.#bytes += piece.length;
    return this.readableLength + this.#bytes < this.readableHighWaterMark;
  }

  #join(): void {
    const pieces = this.#pieces;
    if (pieces.length === 0) return;
    this.#pieces = [];
    this.#bytes = 0;
    super.push(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces));
  }
}

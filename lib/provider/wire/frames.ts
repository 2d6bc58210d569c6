/** Frames of HTTP/2 as they come, in pieces cut anywhere (RFC 9113 section 4.1). */
import { Buffer } from "node:buffer";

/** "PRI * HTTP/2.0", which comes before the first frame (section 3.4). */
const PREFACE_BYTES = 24;
const HEAD_BYTES = 9;
const GOAWAY = 7;

/** Lets all frames through but GOAWAY. */
export class FrameFilter {
  /** Of the preface or a frame's payload, still to come. */
  #left = PREFACE_BYTES;
  #isDropping = false;
  /** Of a frame's head, so far. */
  #head = Buffer.alloc(0);

  /** @param onGoaway the other side ends the connection with the streams that it has opened */
  constructor(private readonly onGoaway: () => void) {}

  /** What is to be handed on of some bytes. */
  pass(bytes: Uint8Array): Uint8Array {
    const kept: Uint8Array[] = [];
    for (let at = 0; at < bytes.length;) {
      if (this.#left === 0) {
        at += this.#readHead(bytes.subarray(at), kept);
        continue;
      }
      const some = bytes.subarray(at, at + this.#left);
      at += some.length;
      this.#left -= some.length;
      if (!this.#isDropping) kept.push(some);
    }
    return kept.length === 1 ? kept[0]! : Buffer.concat(kept);
  }

  /** @returns how many bytes belong to the head */
  #readHead(bytes: Uint8Array, kept: Uint8Array[]): number {
    const more = bytes.subarray(0, HEAD_BYTES - this.#head.length);
    this.#head = Buffer.concat([this.#head, more]);
    if (this.#head.length < HEAD_BYTES) return more.length;
    this.#left = this.#head.readUIntBE(0, 3);
    this.#isDropping = this.#head[3] === GOAWAY;
    if (this.#isDropping) this.onGoaway();
    else kept.push(this.#head);
    this.#head = Buffer.alloc(0);
    return more.length;
  }
}

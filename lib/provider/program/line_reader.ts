/** Lines at the beginning of a byte stream, bounded, and then the rest of it in chunks. */
import type { Output } from "../../../sandbox/output.ts";
import { KhachapuriError } from "../../errors.ts";

const LF = 10;
const FIRST_BYTES = 4_096;

export class LineReader {
  /** What has been read of the stream and not of us; it begins at `#position`. */
  #buffer: Uint8Array = new Uint8Array(0);
  #length = 0;
  #position = 0;
  /** Bytes of the lines so far. */
  #linesBytes = 0;

  /** @param bytesMax bound of all lines together */
  constructor(private readonly output: Output, private readonly bytesMax: number) {}

  /** Whether the stream begins with `prefix` (ASCII); waits for no more bytes than it takes. */
  async startsWith(prefix: string): Promise<boolean> {
    for (let index = 0; index < prefix.length; index++) {
      while (this.#position + index >= this.#length) {
        if (!await this.#fill()) return false;
      }
      if (this.#buffer[this.#position + index] !== prefix.charCodeAt(index)) return false;
    }
    return true;
  }

  /** Whether the stream ends without another byte. */
  async isEmpty(): Promise<boolean> {
    while (this.#position >= this.#length) {
      if (!await this.#fill()) return true;
    }
    return false;
  }

  /**
   * The next line, as Latin-1, without its LF or CRLF.
   * @throws KhachapuriError `program_failed` when the stream ends first or the bound is reached
   */
  async line(): Promise<string> {
    let searched = this.#position;
    while (true) {
      const found = this.#buffer.subarray(0, this.#length).indexOf(LF, searched);
      searched = this.#length;
      const bytes = (found < 0 ? this.#length : found + 1) - this.#position;
      if (this.#linesBytes + bytes > this.bytesMax) throw headTooLarge(this.bytesMax);
      if (found >= 0) {
        const text = latin1(this.#buffer.subarray(this.#position, found));
        this.#position = found + 1;
        this.#linesBytes += bytes;
        return text.endsWith("\r") ? text.slice(0, -1) : text;
      }
      if (!await this.#fill()) throw failure("its head is cut off");
    }
  }

  /** The next bytes that were not read as lines; null at the end. */
  read(): Promise<Uint8Array | null> {
    if (this.#position >= this.#length) return this.output.read();
    const left = this.#buffer.subarray(this.#position, this.#length);
    this.#position = this.#length;
    return Promise.resolve(left);
  }

  /** Stops reading; never throws. */
  async cancel(): Promise<void> {
    await this.output.cancel().catch(() => {});
  }

  /** Reads one more chunk; false at the end of the stream. */
  async #fill(): Promise<boolean> {
    const chunk = await this.output.read();
    if (chunk === null) return false;
    this.#append(chunk);
    return true;
  }

  /** Grows by doubling, so that a program that writes single bytes costs no more than one line. */
  #append(chunk: Uint8Array): void {
    if (this.#length === 0) {
      this.#buffer = chunk;
      this.#length = chunk.length;
      return;
    }
    if (this.#length + chunk.length > this.#buffer.length) {
      const size = Math.max(FIRST_BYTES, this.#buffer.length * 2, this.#length + chunk.length);
      const grown = new Uint8Array(size);
      grown.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = grown;
    }
    this.#buffer.set(chunk, this.#length);
    this.#length += chunk.length;
  }
}

/** One character a byte; TextDecoder's "latin1" is windows-1252 and is not. */
function latin1(bytes: Uint8Array): string {
  let text = "";
  // In slices: a call takes only so many arguments.
  for (let at = 0; at < bytes.length; at += 8_192) {
    text += String.fromCharCode.apply(null, bytes.subarray(at, at + 8_192) as unknown as number[]);
  }
  return text;
}

function failure(what: string): KhachapuriError {
  return new KhachapuriError("program_failed", `the program printed a malformed head: ${what}`);
}

function headTooLarge(bytesMax: number): KhachapuriError {
  return failure(`it is larger than ${bytesMax} bytes`);
}

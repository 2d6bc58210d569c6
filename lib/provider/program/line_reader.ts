/** Lines at the beginning of a byte stream, bounded, and then the rest of it in chunks. */
import type { Output } from "../../../sandbox/output.ts";
import { KhachapuriError } from "../../errors.ts";

export interface LineReader {
  /** Whether the stream begins with `prefix` (ASCII); waits for no more bytes than it takes. */
  startsWith(prefix: string): Promise<boolean>;
  /** Whether the stream ends without another byte. */
  isEmpty(): Promise<boolean>;
  /**
   * The next line, as Latin-1, without its LF or CRLF.
   * @throws KhachapuriError `program_failed` when the stream ends first or the bound is reached
   */
  line(): Promise<string>;
  /** The next bytes that were not read as lines; null at the end. */
  read(): Promise<Uint8Array | null>;
  /** Stops reading; never throws. */
  cancel(): Promise<void>;
}

const LF = 10;
const FIRST_BYTES = 4_096;

/** @param bytesMax bound of all lines together */
export function createLineReader(
  output: Output,
  bytesMax: number,
): LineReader {
  let buffer: Uint8Array = new Uint8Array(0);
  let length = 0;
  let position = 0;
  let linesBytes = 0;

  /** Reads one more chunk; false at the end of the stream. */
  async function fill(): Promise<boolean> {
    const chunk = await output.read();
    if (chunk === null) return false;
    append(chunk);
    return true;
  }

  /** Grows by doubling, so that a program that writes single bytes costs no more than one line. */
  function append(chunk: Uint8Array): void {
    if (length === 0) {
      buffer = chunk;
      length = chunk.length;
      return;
    }
    if (length + chunk.length > buffer.length) {
      const size = Math.max(FIRST_BYTES, buffer.length * 2, length + chunk.length);
      const grown = new Uint8Array(size);
      grown.set(buffer.subarray(0, length));
      buffer = grown;
    }
    buffer.set(chunk, length);
    length += chunk.length;
  }

  async function startsWith(prefix: string): Promise<boolean> {
    for (let index = 0; index < prefix.length; index++) {
      while (position + index >= length) {
        if (!await fill()) return false;
      }
      if (buffer[position + index] !== prefix.charCodeAt(index)) return false;
    }
    return true;
  }

  async function isEmpty(): Promise<boolean> {
    while (position >= length) {
      if (!await fill()) return true;
    }
    return false;
  }

  async function line(): Promise<string> {
    let searched = position;
    while (true) {
      const found = buffer.subarray(0, length).indexOf(LF, searched);
      searched = length;
      const bytes = (found < 0 ? length : found + 1) - position;
      if (linesBytes + bytes > bytesMax) throw headTooLarge(bytesMax);
      if (found >= 0) {
        const text = latin1(buffer.subarray(position, found));
        position = found + 1;
        linesBytes += bytes;
        return text.endsWith("\r") ? text.slice(0, -1) : text;
      }
      if (!await fill()) throw failure("its head is cut off");
    }
  }

  async function read(): Promise<Uint8Array | null> {
    if (position < length) {
      const left = buffer.subarray(position, length);
      position = length;
      return left;
    }
    return await output.read();
  }

  return {
    startsWith,
    isEmpty,
    line,
    read,
    cancel: () => output.cancel().catch(() => {}),
  };
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

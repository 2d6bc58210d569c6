/** The body of a server's answer, as its head frames it (RFC 9112 sections 6 and 7). */
import { KhachapuriError } from "../../errors.ts";
import { SERVER_CHUNK_LINE_BYTES_MAX } from "../../limits_of_servers.ts";
import type { HeaderField } from "../http/header_rules.ts";
import { malformed, type ResponseHead, TrailersReader } from "./response_head.ts";

/** What bytes of a connection were to the body. */
export interface Taken {
  /** How many of them belong to it. */
  readonly used: number;
  /** The data among them, in their place. */
  readonly data: Uint8Array;
}

/** Takes a body out of the bytes of a connection, however they are cut up. */
export interface BodyReader {
  /** Length as the head says; null: its end will tell. */
  readonly announced: number | null;
  readonly isOver: boolean;
  /** Whether what follows on the connection is the next answer. */
  readonly isDelimited: boolean;
  readonly trailers: readonly HeaderField[];
  /**
   * Takes what belongs to the body from the beginning of `bytes`; moves the data there together.
   * @throws KhachapuriError `program_failed`
   */
  take(bytes: Uint8Array): Taken;
  /** The connection has ended. @throws KhachapuriError `program_failed` when that is too early */
  end(): void;
}

const NOTHING = new Uint8Array(0);
const LF = 10;
const CR = 13;
/** What stands before the LF behind a chunk's data. */
const DATA_END_BYTES = 1;

/** @throws KhachapuriError `program_failed` when the head frames no body that RFC 9112 allows */
export function bodyReader(head: ResponseHead, method: string): BodyReader {
  const isChunked = hasChunks(head);
  const length = contentLength(head);
  if (isChunked && length !== null) {
    throw malformed("it has both Content-Length and Transfer-Encoding");
  }
  const { status } = head;
  // RFC 9110 section 6.4.1.
  if (status === 204 || status < 200) return new NoBody(null, !isChunked);
  if (method === "HEAD" || status === 304) return new NoBody(length, true);
  if (isChunked) return new ChunkedBody();
  return length === null ? new BodyUntilClose() : new BodyOfLength(length);
}

function hasChunks({ minor, fields }: ResponseHead): boolean {
  const codings = fields.filter(([name]) => name === "transfer-encoding");
  if (codings.length === 0) return false;
  // RFC 9112 section 6.1: there is no telling where such a message ends.
  if (minor === 0) throw malformed("HTTP/1.0 has no Transfer-Encoding");
  if (codings.length > 1 || codings[0]![1].toLowerCase() !== "chunked") {
    throw malformed("the only Transfer-Encoding here is chunked");
  }
  return true;
}

function contentLength({ fields }: ResponseHead): number | null {
  const lengths = fields.filter(([name]) => name === "content-length");
  if (lengths.length === 0) return null;
  if (lengths.length > 1) throw malformed("it has more than one Content-Length");
  const value = lengths[0]![1];
  if (!/^[0-9]{1,15}$/.test(value)) throw malformed("its Content-Length is no length");
  return Number(value);
}

/** Answers to HEAD, 1xx, 204 and 304. */
class NoBody implements BodyReader {
  readonly isOver = true;
  readonly trailers = [];
  constructor(readonly announced: number | null, readonly isDelimited: boolean) {}

  take(): Taken {
    return { used: 0, data: NOTHING };
  }

  end(): void {}
}

class BodyOfLength implements BodyReader {
  readonly isDelimited = true;
  readonly trailers = [];
  #left: number;

  constructor(readonly announced: number) {
    this.#left = announced;
  }

  get isOver(): boolean {
    return this.#left === 0;
  }

  take(bytes: Uint8Array): Taken {
    const used = Math.min(this.#left, bytes.length);
    this.#left -= used;
    return { used, data: bytes.subarray(0, used) };
  }

  end(): void {
    if (this.isOver) return;
    const { announced } = this;
    throw brokenOff(`after ${announced - this.#left} of ${announced} bytes`);
  }
}

class BodyUntilClose implements BodyReader {
  readonly announced = null;
  readonly isDelimited = false;
  readonly trailers = [];
  isOver = false;

  take(bytes: Uint8Array): Taken {
    return { used: bytes.length, data: bytes };
  }

  end(): void {
    this.isOver = true;
  }
}

// Without the spaces that RFC 9112 section 7.1.1 only puts up with.
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const QUOTED = '"(?:[\\t !#-\\[\\]-~\\x80-\\xff]|\\\\[\\t -~\\x80-\\xff])*"';
const CHUNK_LINE = new RegExp(
  `^([0-9A-Fa-f]{1,12})(?:;${TOKEN}(?:=(?:${TOKEN}|${QUOTED}))?)*$`,
);

class ChunkedBody implements BodyReader {
  readonly announced = null;
  readonly isDelimited = true;
  trailers: readonly HeaderField[] = [];
  isOver = false;
  #state: "size" | "data" | "end of data" | "trailers" = "size";
  /** Bytes of the chunk that have not come. */
  #left = 0;
  /** The line that is not over yet. */
  #line = "";
  readonly #trailersReader = new TrailersReader();

  take(bytes: Uint8Array): Taken {
    let used = 0;
    let filled = 0;
    while (used < bytes.length && !this.isOver) {
      if (this.#state === "data") {
        const count = Math.min(this.#left, bytes.length - used);
        if (filled < used) bytes.copyWithin(filled, used, used + count);
        filled += count;
        used += count;
        this.#left -= count;
        if (this.#left === 0) this.#state = "end of data";
      } else if (this.#state === "trailers") used += this.#takeTrailers(bytes.subarray(used));
      else used += this.#takeLine(bytes, used);
    }
    return { used, data: bytes.subarray(0, filled) };
  }

  end(): void {
    throw brokenOff("before its last chunk");
  }

  #takeTrailers(bytes: Uint8Array): number {
    const used = this.#trailersReader.take(bytes);
    if (this.#trailersReader.fields) {
      this.trailers = this.#trailersReader.fields;
      this.isOver = true;
    }
    return used;
  }

  #takeLine(bytes: Uint8Array, start: number): number {
    const found = bytes.indexOf(LF, start);
    const end = found < 0 ? bytes.length : found;
    const bytesMax = this.#state === "size" ? SERVER_CHUNK_LINE_BYTES_MAX : DATA_END_BYTES;
    if (this.#line.length + end - start > bytesMax) throw badChunk();
    this.#line += String.fromCharCode(...bytes.subarray(start, end));
    if (found < 0) return end - start;
    if (this.#line.charCodeAt(this.#line.length - 1) !== CR) throw badChunk();
    const line = this.#line.slice(0, -1);
    this.#line = "";
    if (this.#state === "size") this.#begin(line);
    else this.#state = "size";
    return end + 1 - start;
  }

  #begin(line: string): void {
    const parts = CHUNK_LINE.exec(line);
    if (!parts) throw badChunk();
    this.#left = parseInt(parts[1]!, 16);
    this.#state = this.#left === 0 ? "trailers" : "data";
  }
}

function badChunk(): KhachapuriError {
  return malformed("a chunk of its body has no right beginning or end");
}

function brokenOff(where: string): KhachapuriError {
  return new KhachapuriError("program_failed", `the program broke off its answer ${where}`);
}

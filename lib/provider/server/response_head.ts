/**
 * The head of a server's answer, and the trailers behind its body (RFC 9112 sections 4, 5, 7.1.2).
 * What the RFC lets a recipient put up with for old software is refused: who reads a message in two
 * ways can be made to take one answer for another.
 */
import { KhachapuriError } from "../../errors.ts";
import { RESPONSE_FIELDS_MAX, RESPONSE_HEAD_BYTES_MAX } from "../../limits.ts";
import { type HeaderField, TOKEN } from "../http/header_rules.ts";

export interface ResponseHead {
  /** Of the version, HTTP/1.x. */
  readonly minor: 0 | 1;
  readonly status: number;
  /** Names in lower case; values one character an octet. */
  readonly fields: readonly HeaderField[];
}

const LF = 10;
const CR = 13;
const SPACE = 32;
const TAB = 9;

const VERSION = "HTTP/1.";
/** Some servers leave out the space before the reason that they do not give. */
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?$/;
// deno-lint-ignore no-control-regex -- control characters are what is being refused
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;

/** Reads a head, however its bytes are cut up. */
export class ResponseHeadReader {
  readonly #lines = new SectionLines();
  #head: ResponseHead | null = null;

  /** Null before all of it is there. */
  get head(): ResponseHead | null {
    return this.#head;
  }

  /**
   * Takes what belongs to the head from the beginning of `bytes`.
   * @returns how many bytes did
   * @throws KhachapuriError `program_failed`
   */
  take(bytes: Uint8Array): number {
    const used = this.#lines.take(bytes);
    if (!VERSION.startsWith(this.#lines.beginning(VERSION.length))) {
      throw malformed("it does not begin with HTTP/1.1");
    }
    if (this.#lines.isOver) this.#head = headOf(this.#lines.lines);
    return used;
  }
}

/** Reads trailers, however their bytes are cut up. */
export class TrailersReader {
  readonly #lines = new SectionLines();
  #fields: readonly HeaderField[] | null = null;

  /** Null before all of them are there. */
  get fields(): readonly HeaderField[] | null {
    return this.#fields;
  }

  /** As that of a head. */
  take(bytes: Uint8Array): number {
    const used = this.#lines.take(bytes);
    if (this.#lines.isOver) this.#fields = trailersOf(this.#lines.lines);
    return used;
  }
}

/** Lines that end with CRLF, up to the empty one, bounded. */
class SectionLines {
  readonly lines: string[] = [];
  isOver = false;
  /** The line that is not over yet. */
  #line = "";
  #bytes = 0;

  /** The first characters of what has come. */
  beginning(characters: number): string {
    return (this.lines[0] ?? this.#line).slice(0, characters);
  }

  take(bytes: Uint8Array): number {
    let at = 0;
    while (at < bytes.length && !this.isOver) {
      const found = bytes.indexOf(LF, at);
      const end = found < 0 ? bytes.length : found + 1;
      this.#bytes += end - at;
      if (this.#bytes > RESPONSE_HEAD_BYTES_MAX) {
        throw malformed(`its head is larger than ${RESPONSE_HEAD_BYTES_MAX} bytes`);
      }
      this.#line += latin1(bytes, at, end);
      if (found >= 0) this.#endLine();
      at = end;
    }
    return at;
  }

  #endLine(): void {
    const line = this.#line;
    if (line.charCodeAt(line.length - 2) !== CR) {
      throw malformed(`${quoted(line)} does not end with CRLF`);
    }
    this.#line = "";
    if (line.length === 2) this.isOver = true;
    else if (this.lines.push(line.slice(0, -2)) > RESPONSE_FIELDS_MAX + 1) {
      throw malformed(`it has more than ${RESPONSE_FIELDS_MAX} fields`);
    }
  }
}

function headOf(lines: readonly string[]): ResponseHead {
  const statusLine = lines[0] ?? "";
  const parts = STATUS_LINE.exec(statusLine);
  if (!parts) throw malformed(`${quoted(statusLine)} is no status line`);
  return {
    minor: parts[1] === "0" ? 0 : 1,
    status: Number(parts[2]),
    fields: fieldsOf(lines.slice(1)),
  };
}

function fieldsOf(lines: readonly string[]): HeaderField[] {
  if (lines.length > RESPONSE_FIELDS_MAX) {
    throw malformed(`it has more than ${RESPONSE_FIELDS_MAX} fields`);
  }
  return lines.map(fieldOf);
}

/** RFC 9110 section 6.5.1: what frames a message comes before it. */
function trailersOf(lines: readonly string[]): HeaderField[] {
  const fields = fieldsOf(lines);
  const framing = fields.find(([name]) => /^(?:content-length|transfer-encoding)$/.test(name));
  if (framing) throw malformed(`${framing[0]} is among its trailers`);
  return fields;
}

function fieldOf(line: string): HeaderField {
  const colon = line.indexOf(":");
  const name = line.slice(0, Math.max(colon, 0));
  if (!TOKEN.test(name)) throw malformed(`${quoted(line)} is no header field`);
  const value = trimmed(line, colon + 1);
  if (CONTROL.test(value)) throw malformed(`its ${name} holds control characters`);
  return [name.toLowerCase(), value];
}

/** The line from `start` on, without spaces at its ends; an expression takes the square of them. */
function trimmed(line: string, start: number): string {
  let end = line.length;
  while (start < end && isSpace(line.charCodeAt(start))) start++;
  while (end > start && isSpace(line.charCodeAt(end - 1))) end--;
  return line.slice(start, end);
}

function isSpace(code: number): boolean {
  return code === SPACE || code === TAB;
}

/** One character a byte. */
function latin1(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  // In slices: a call takes only so many arguments.
  for (let at = start; at < end; at += 8_192) {
    const slice = bytes.subarray(at, Math.min(at + 8_192, end));
    text += String.fromCharCode.apply(null, slice as unknown as number[]);
  }
  return text;
}

function quoted(line: string): string {
  return JSON.stringify(line.slice(0, 80));
}

/** The server sent what is no answer of HTTP/1.1. */
export function malformed(reason: string): KhachapuriError {
  return new KhachapuriError("program_failed", `the program sent a malformed answer: ${reason}`);
}

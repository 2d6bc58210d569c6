/**
 * What a client says first on TLS (RFC 8446, section 4.1.2), read by whom a handshake is for: which
 * protocols it speaks (RFC 7301) and which name it calls (RFC 6066). Nothing of it is sure.
 */
import { CLIENT_HELLO_BYTES_MAX } from "../../limits_of_certificates.ts";

export interface ClientHello {
  readonly protocols: readonly string[];
  /** In lower case; null: it names none. */
  readonly serverName: string | null;
}

/** "more": it is not all here; null: it is none, or does not fit one record. */
export type HelloReading = ClientHello | "more" | null;

const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const ALPN = 16;
const RECORD_HEAD_BYTES = 5;

/** @param bytes all that has come so far */
export function readClientHello(bytes: Uint8Array): HelloReading {
  if (bytes.length > 0 && bytes[0] !== HANDSHAKE_RECORD) return null;
  if (bytes.length > 1 && bytes[1] !== 3) return null;
  if (bytes.length < RECORD_HEAD_BYTES) return "more";
  const length = bytes[3]! << 8 | bytes[4]!;
  if (length + RECORD_HEAD_BYTES > CLIENT_HELLO_BYTES_MAX) return null;
  if (bytes.length < RECORD_HEAD_BYTES + length) return "more";
  try {
    return helloOf(new Octets(bytes.subarray(RECORD_HEAD_BYTES, RECORD_HEAD_BYTES + length)));
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function helloOf(record: Octets): HelloReading {
  if (record.number(1) !== CLIENT_HELLO) return null;
  const hello = record.vector(3);
  hello.take(2 + 32);
  for (const lengthBytes of [1, 2, 1]) hello.vector(lengthBytes);
  const found: { protocols: string[]; serverName: string | null } = {
    protocols: [],
    serverName: null,
  };
  if (hello.isEmpty) return found;
  const extensions = hello.vector(2);
  while (!extensions.isEmpty) {
    const type = extensions.number(2);
    const extension = extensions.vector(2);
    if (type === ALPN) found.protocols = protocolsOf(extension);
    if (type === SERVER_NAME) found.serverName = nameOf(extension);
  }
  return found;
}

function protocolsOf(extension: Octets): string[] {
  const protocols: string[] = [];
  const list = extension.vector(2);
  while (!list.isEmpty) protocols.push(list.vector(1).text());
  return protocols;
}

function nameOf(extension: Octets): string | null {
  const list = extension.vector(2);
  while (!list.isEmpty) {
    const isHost = list.number(1) === 0;
    const name = list.vector(2).text().toLowerCase();
    if (isHost) return name;
  }
  return null;
}

/** Octets taken from the front. @throws RangeError beyond their end */
class Octets {
  #at = 0;

  constructor(private readonly bytes: Uint8Array) {}

  get isEmpty(): boolean {
    return this.#at === this.bytes.length;
  }

  take(count: number): Uint8Array {
    if (this.#at + count > this.bytes.length) throw new RangeError("beyond the end");
    return this.bytes.subarray(this.#at, this.#at += count);
  }

  number(count: number): number {
    return this.take(count).reduce((value, byte) => value * 256 + byte, 0);
  }

  /** What a length of so many bytes stands before. */
  vector(lengthBytes: number): Octets {
    return new Octets(this.take(this.number(lengthBytes)));
  }

  text(): string {
    return String.fromCharCode(...this.take(this.bytes.length - this.#at));
  }
}

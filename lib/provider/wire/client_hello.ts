/**
 * What a client says first on TLS (RFC 8446, section 4.1.2), read by whom a handshake is for: which
 * protocols it speaks (RFC 7301) and which name it calls (RFC 6066). Nothing of it is sure.
 */
import { CLIENT_HELLO_BYTES_MAX } from "../../limits_of_certificates.ts";

export interface ClientHello {
  /** The message itself, without its record's head. */
  readonly message: Uint8Array;
  readonly sessionId: Uint8Array;
  readonly cipherSuites: readonly number[];
  /** By their types. */
  readonly extensions: ReadonlyMap<number, Uint8Array>;
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
  const message = record.rest();
  if (record.number(1) !== CLIENT_HELLO) return null;
  const hello = record.vector(3);
  hello.take(2 + 32);
  const sessionId = hello.vector(1).rest();
  const cipherSuites = hello.vector(2).numbers(2);
  hello.vector(1);
  const extensions = new Map<number, Uint8Array>();
  const list = hello.isEmpty ? hello : hello.vector(2);
  while (!list.isEmpty) extensions.set(list.number(2), list.vector(2).rest());
  const of = (type: number) => new Octets(extensions.get(type) ?? EMPTY_LIST);
  const [protocols, serverName] = [protocolsOf(of(ALPN)), nameOf(of(SERVER_NAME))];
  return { message, sessionId, cipherSuites, extensions, protocols, serverName };
}

const EMPTY_LIST = Uint8Array.of(0, 0);

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
export class Octets {
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

  /** What is left, which stays. */
  rest(): Uint8Array {
    return this.bytes.subarray(this.#at);
  }

  /** What is left, as numbers of so many octets. */
  numbers(count: number): number[] {
    const found: number[] = [];
    while (!this.isEmpty) found.push(this.number(count));
    return found;
  }

  text(): string {
    return String.fromCharCode(...this.take(this.bytes.length - this.#at));
  }
}

/** A request off the wire: its head, checked, and its body, which fails when it breaks off. */
import type { IncomingMessage } from "node:http";
import type { ByteSource } from "../../byte_source.ts";
import { KhachapuriError } from "../../errors.ts";
import { CHUNK_OVERHEAD_BYTES_MAX, CHUNK_OVERHEAD_PART_MAX } from "../../limits.ts";
import { Fields } from "../http/fields.ts";
import { type HeaderField, TOKEN } from "../http/header_rules.ts";
import type { HttpRequest, Protocol, Sender } from "../http/request.ts";
import { readTarget } from "../http/request_target.ts";
import { upgradeOf } from "./handshake.ts";

/** What the socket knows of a request beside its message. */
export interface Arrival {
  readonly sender: Sender;
  readonly isHttp2: boolean;
  /** Bytes of the connection that belong to earlier requests; null where streams share it. */
  readonly bytesBefore: number | null;
  /** Bytes of the connection that were parsed by now. */
  bytesParsed(): number;
  /** Whether its connection can become another. */
  readonly canUpgrade: boolean;
  /** Sends `100 Continue`, for which the caller waits; null where it does not. */
  readonly onWanted: (() => void) | null;
}

/** A request that is being served, as its connection sees it. */
export interface Served {
  /** The caller has gone. */
  leave(): void;
  /** No more of its body will come, or what comes is none: `reason` in words. */
  breakOff(reason: string): void;
}

/** The request as it is served, and as its connection sees it. */
export class Incoming implements HttpRequest, Served {
  readonly method: string;
  readonly protocol: Protocol;
  readonly fields: Fields;
  readonly path: string;
  readonly query: string | null;
  readonly host: string;
  readonly body: IncomingBody | null;
  readonly upgrade: "websocket" | null;
  readonly sender: Sender;
  #isGone = false;
  #onGone: (() => void) | null = null;

  /** @throws KhachapuriError `invalid_input` when the head says what RFC 9110 and 9112 forbid */
  constructor(message: IncomingMessage, arrival: Arrival) {
    const { sender, isHttp2, bytesBefore, onWanted } = arrival;
    this.method = message.method!;
    this.protocol = protocolOf(message, isHttp2);
    const head = headOf(message, this.protocol);
    this.fields = head.fields;
    const upgrade = upgradeOf(this);
    this.upgrade = arrival.canUpgrade ? upgrade : null;
    const target = readTarget({
      method: this.method,
      target: message.url!,
      fields: head.fields,
      authority: head.authority,
      isHostRequired: this.protocol === "HTTP/1.1",
    });
    this.path = target.path;
    this.query = target.query;
    this.host = target.host;
    this.sender = sender;
    const announced = announcedBody(this.protocol, head.fields, message);
    if (announced === null) this.body = null;
    else if (Number.isFinite(announced) || bytesBefore === null) {
      this.body = new IncomingBody(message, announced, onWanted);
    } else {
      const head = bytesBefore + headBytes(this);
      const bytesParsed = () => arrival.bytesParsed() - head;
      this.body = new IncomingBody(message, announced, onWanted, bytesParsed);
    }
  }

  hasGone(): boolean {
    return this.#isGone;
  }

  whenGone(callback: (() => void) | null): void {
    if (this.#isGone) callback?.();
    else this.#onGone = callback;
  }

  leave(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.body?.breakOff("the caller hung up");
    this.#onGone?.();
    this.#onGone = null;
  }

  breakOff(reason: string): void {
    this.body?.breakOff(reason);
  }
}

interface Head {
  fields: Fields;
  authority: string | null;
}

/** The parser of HTTP/1 takes whatever version a request line names. */
function protocolOf({ httpVersion }: IncomingMessage, isHttp2: boolean): Protocol {
  if (isHttp2) return "HTTP/2.0";
  if (httpVersion === "1.1" || httpVersion === "1.0") return `HTTP/${httpVersion}`;
  throw new KhachapuriError("invalid_input", "HTTP/1.1 and HTTP/1.0 are spoken here");
}

function headOf({ rawHeaders }: IncomingMessage, protocol: Protocol): Head {
  const list: HeaderField[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    list.push([rawHeaders[at]!.toLowerCase(), rawHeaders[at + 1]!]);
  }
  if (protocol !== "HTTP/2.0") return { fields: new Fields(list), authority: null };
  for (const field of list) assertField(field);
  const fields = new Fields(list.filter(([name]) => !name.startsWith(":")));
  return { fields, authority: list.find(([name]) => name === ":authority")?.[1] ?? null };
}

/** RFC 9113 section 8.2.1; node checks it in HTTP/1 only. */
function assertField([name, value]: HeaderField): void {
  // deno-lint-ignore no-control-regex -- control characters are what is being refused
  if (TOKEN.test(name.replace(/^:/, "")) && !/[\x00-\x08\x0a-\x1f\x7f]/.test(value)) return;
  throw new KhachapuriError("invalid_input", `${JSON.stringify(name)} is no header field`);
}

/**
 * The length of the body that the head announces, bytes; Infinity when only its end will tell, null
 * when there is none (RFC 9112 section 6.3).
 */
function announcedBody(
  protocol: Protocol,
  fields: Fields,
  message: IncomingMessage,
): number | null {
  const length = fields.all("content-length")[0];
  if (protocol === "HTTP/2.0") {
    if (length !== undefined) return Number(length);
    return isEnded(message) ? null : Infinity;
  }
  const coding = fields.get("transfer-encoding");
  if (coding === null) return length === undefined ? null : Number(length);
  if (protocol === "HTTP/1.0") {
    throw new KhachapuriError("invalid_input", "HTTP/1.0 has no Transfer-Encoding");
  }
  if (coding.toLowerCase() === "chunked") return Infinity;
  // RFC 9112 section 6.1.
  throw new KhachapuriError("not_implemented", "the only Transfer-Encoding here is chunked");
}

/** Whether the stream of an HTTP/2 request ended with its head. */
function isEnded(message: IncomingMessage): boolean {
  return (message as { stream?: { endAfterHeaders?: boolean } }).stream?.endAfterHeaders === true;
}

/** What a head took on the wire, but for spaces that need not be there. */
function headBytes({ method, path, query, fields }: HttpRequest): number {
  const line = method.length + path.length + (query?.length ?? 0);
  return fields.list.reduce((sum, [name, value]) => sum + name.length + value.length, line);
}

interface Reader {
  resolve(chunk: Uint8Array | null): void;
  reject(error: KhachapuriError): void;
}

/** The body of a request. Nothing of it is read before somebody asks, and no more than asked. */
export class IncomingBody implements ByteSource {
  readonly #readers: Reader[] = [];
  #onWanted: (() => void) | null;
  #isListening = false;
  #isOver = false;
  #bytes = 0;
  #failure: KhachapuriError | null = null;

  constructor(
    private readonly message: IncomingMessage,
    private readonly announced: number,
    onWanted: (() => void) | null,
    /** Bytes behind the head that were parsed; null where chunks are not told apart. */
    private readonly bytesParsed: (() => number) | null = null,
  ) {
    this.#onWanted = onWanted;
    // Without a listener of its own an error would end the process.
    message.on("error", () => this.breakOff("the connection broke"));
  }

  /** Whether what came is no whole body, and what comes next is not known. */
  hasFailed(): boolean {
    return this.#failure !== null;
  }

  /** Whether more of it may come. */
  isComing(): boolean {
    return this.#failure === null && !this.message.complete;
  }

  /** Whether the caller still waits to be told that its body is wanted. */
  get isHeldBack(): boolean {
    return this.#onWanted !== null;
  }

  read(): Promise<Uint8Array | null> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#isOver) return Promise.resolve(null);
    this.#want();
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
      this.#serve();
    });
  }

  cancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const { resolve } of this.#readers.splice(0)) resolve(null);
  }

  breakOff(reason: string): void {
    if (!this.#isOver && !this.#failure && !this.message.complete) this.#fail(reason);
  }

  #fail(reason: string): void {
    const came = `${this.#bytes} bytes of the request body came`;
    const of = Number.isFinite(this.announced) ? ` in place of ${this.announced}` : "";
    this.#failure = new KhachapuriError("invalid_input", `${came}${of}: ${reason}`, {
      hints: ["what came of it is not taken for the whole; send it again"],
    });
    for (const { reject } of this.#readers.splice(0)) reject(this.#failure);
  }

  #want(): void {
    this.#onWanted?.();
    this.#onWanted = null;
    if (this.#isListening) return;
    this.#isListening = true;
    this.message.on("readable", () => this.#serve());
    this.message.on("end", () => this.#end());
  }

  #serve(): void {
    while (this.#readers.length > 0) {
      const chunk: Uint8Array | null = this.message.read();
      if (chunk === null) return;
      this.#bytes += chunk.length;
      if (this.#isPadded()) return this.#fail("its chunks have more about them than in them");
      this.#readers.shift()!.resolve(chunk);
    }
  }

  #end(): void {
    if (this.#failure) return;
    if (this.#isPadded()) return this.#fail("its chunks have more about them than in them");
    this.cancel();
  }

  /**
   * Extensions of chunks have no bound by themselves, and cost their sender nothing. What has come
   * and waits to be read is body, and requests that were sent ahead may stand behind it.
   */
  #isPadded(): boolean {
    if (this.bytesParsed === null) return false;
    const around = this.bytesParsed() - this.#bytes - this.message.readableLength;
    return around > CHUNK_OVERHEAD_BYTES_MAX + this.#bytes * CHUNK_OVERHEAD_PART_MAX;
  }
}

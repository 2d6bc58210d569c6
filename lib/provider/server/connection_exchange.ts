/** One request on a connection to a server, and its answer. */
import type { ByteSource } from "../../byte_source.ts";
import { asKhachapuriError, KhachapuriError } from "../../errors.ts";
import { SERVER_INTERIM_ANSWERS_MAX } from "../../limits_of_servers.ts";
import { connectionOptions, type HeaderField } from "../http/header_rules.ts";
import type { ConnectionInput } from "./connection_input.ts";
import { createTunnel } from "./connection_tunnel.ts";
import type { ServerRequest, ServerResponse } from "./exchange.ts";
import { requestHead } from "./request_head.ts";
import { type RequestPiece, requestPieces } from "./request_body.ts";
import { type BodyReader, bodyReader } from "./response_body.ts";
import { malformed, type ResponseHead, ResponseHeadReader } from "./response_head.ts";

/** What an exchange has of its connection. */
export interface ExchangeLink {
  readonly input: ConnectionInput;
  write(bytes: Uint8Array): Promise<number>;
  /** The exchange is over; called once. */
  over(isReusable: boolean): void;
}

/** How far an exchange came that failed. */
export type Reached = "unwritten" | "unanswered";

const reached = new WeakMap<KhachapuriError, Reached>();

/** How far the exchange came that failed with it; null when an answer had begun, or it was cut. */
export function reachedBy(error: unknown): Reached | null {
  return error instanceof KhachapuriError ? reached.get(error) ?? null : null;
}

/** The error of an exchange that ended without a byte of an answer. */
export function withoutAnswer(reach: Reached, message: string, cause?: unknown): KhachapuriError {
  const error = new KhachapuriError("program_failed", message, { cause });
  reached.set(error, reach);
  return error;
}

export class Exchange {
  readonly #requestHead: Uint8Array;
  /** Null: there was none yet. If it succeeds the server may have some of the request. */
  #firstWrite: Promise<unknown> | null = null;
  /** All of the request was written. */
  #isWritten = false;
  /** The answer began before the request was written. */
  #isEarly = false;
  #isOver = false;
  /** Whether the server leaves the connection open behind its answer. */
  #isKept = false;
  /** Data of the answer's body that nobody has read. */
  #ready: Uint8Array | null = null;
  #failure: KhachapuriError | null = null;

  /** @throws KhachapuriError `invalid_input` when HTTP cannot carry the request */
  constructor(private readonly link: ExchangeLink, private readonly request: ServerRequest) {
    this.#requestHead = requestHead(request);
  }

  /** Writes the request while it reads the answer. */
  async run(): Promise<ServerResponse> {
    void this.#write();
    try {
      const { head, body } = await this.#head();
      if (this.#failure) throw this.#failure;
      return head.status === 101 ? this.#switched(head) : this.#answered(head, body);
    } catch (thrown) {
      throw this.#failed(thrown);
    }
  }

  /** Ends it where it is: what waits for it fails with `reason`. */
  cut(reason: KhachapuriError): void {
    this.#failure ??= reason;
    this.#end(false);
  }

  async #write(): Promise<void> {
    const { body, bodyBytes } = this.request;
    if (body && bodyBytes !== 0) return await this.#writePieces(body);
    body?.cancel();
    await this.#writePiece({ bytes: this.#requestHead, isLast: true });
  }

  async #writePieces(body: ByteSource): Promise<void> {
    const { bodyBytes } = this.request;
    try {
      for await (const piece of requestPieces(this.#requestHead, body, bodyBytes)) {
        if (this.#isOver || !await this.#writePiece(piece)) return;
      }
    } catch (thrown) {
      if (!this.#isOver) this.cut(asKhachapuriError(thrown));
    }
  }

  /** @returns false when the server takes no more, which its answer may explain */
  async #writePiece({ bytes, isLast }: RequestPiece): Promise<boolean> {
    const isFirst = this.#firstWrite === null;
    let at = 0;
    try {
      while (at < bytes.length) {
        const writing = this.link.write(at === 0 ? bytes : bytes.subarray(at));
        this.#firstWrite ??= writing;
        at += await writing;
      }
      if (isLast) this.#isWritten = true;
      return true;
    } catch (cause) {
      if (isFirst && at === 0) {
        this.cut(withoutAnswer("unwritten", "the program closed its connection", cause));
      }
      return false;
    }
  }

  /** The head of the answer proper, and what it says of the body. */
  async #head(): Promise<{ head: ResponseHead; body: BodyReader }> {
    for (let interim = 0; interim <= SERVER_INTERIM_ANSWERS_MAX; interim++) {
      const head = await this.#anyHead(interim === 0);
      const body = bodyReader(head, this.request.method);
      if (head.status >= 200 || head.status === 101) return { head, body };
    }
    throw malformed(`more than ${SERVER_INTERIM_ANSWERS_MAX} interim answers came before it`);
  }

  async #anyHead(isFirst: boolean): Promise<ResponseHead> {
    const { input } = this.link;
    const reader = new ResponseHeadReader();
    for (let hasBegun = !isFirst; reader.head === null; hasBegun = true) {
      const hasMore = await this.#fill(hasBegun);
      if (!hasMore && !hasBegun) throw await this.#unanswered();
      if (!hasMore) throw malformed("its head is cut off");
      if (!this.#isWritten) this.#isEarly = true;
      input.take(reader.take(input.rest));
    }
    return reader.head;
  }

  /** The end of a connection may be heard before the write comes back that met it. */
  async #unanswered(cause?: unknown): Promise<KhachapuriError> {
    const isReached = await this.#firstWrite?.then(() => true, () => false) ?? false;
    const reach = isReached ? "unanswered" : "unwritten";
    return withoutAnswer(reach, "the program closed the connection without an answer", cause);
  }

  async #fill(hasBegun: boolean): Promise<boolean> {
    try {
      return await this.link.input.fill();
    } catch (cause) {
      if (!hasBegun) throw await this.#unanswered(cause);
      throw new KhachapuriError("program_failed", "the program broke off its answer", { cause });
    }
  }

  #answered(head: ResponseHead, body: BodyReader): ServerResponse {
    this.#isKept = head.minor === 1 && body.isDelimited && !isLast(head.fields);
    // What came with the head needs no more waiting, and may be all of it.
    this.#takeBody(body);
    return {
      status: head.status,
      fields: head.fields,
      bodyBytes: body.announced,
      tunnel: null,
      trailers: () => body.trailers,
      read: () => this.#readBody(body),
      cancel: () => this.#giveUp(),
    };
  }

  async #readBody(body: BodyReader): Promise<Uint8Array | null> {
    try {
      while (this.#ready === null && !body.isOver) {
        if (this.#failure) throw this.#failure;
        if (!await this.#fill(true)) body.end();
        this.#takeBody(body);
      }
    } catch (thrown) {
      const failure = this.#failed(thrown);
      if (failure === GIVEN_UP) return null;
      throw failure;
    }
    const chunk = this.#ready;
    this.#ready = null;
    return chunk;
  }

  #giveUp(): void {
    this.#ready = null;
    if (!this.#isOver) this.cut(GIVEN_UP);
  }

  /** Takes what has come of the body. */
  #takeBody(body: BodyReader): void {
    const { input } = this.link;
    const { used, data } = body.take(input.rest);
    input.take(used);
    if (data.length > 0) this.#ready = input.kept(data);
    if (body.isOver) this.#end(this.#isKept && this.#isClean());
  }

  /** Nothing stands before the next request on this connection. */
  #isClean(): boolean {
    return this.#isWritten && !this.#isEarly && this.link.input.rest.length === 0;
  }

  #switched(head: ResponseHead): ServerResponse {
    if (head.minor === 0 || !switchesTo(head.fields, this.request.upgrade)) {
      throw malformed("it switches to a protocol that was not asked for");
    }
    const tunnel = createTunnel({
      input: this.link.input,
      write: async (bytes) => {
        for (let at = 0; at < bytes.length;) at += await this.link.write(bytes.subarray(at));
      },
      close: () => this.#end(false),
    });
    return {
      status: 101,
      fields: head.fields,
      bodyBytes: null,
      tunnel,
      trailers: () => [],
      read: () => Promise.resolve(null),
      cancel: () => tunnel.close(),
    };
  }

  #failed(thrown: unknown): KhachapuriError {
    this.#failure ??= asKhachapuriError(thrown);
    this.#end(false);
    return this.#failure;
  }

  #end(isReusable: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (!this.#isWritten) this.request.body?.cancel();
    this.link.over(isReusable);
  }
}

/** Nobody sees it: who gave up an answer is told that it is over. */
const GIVEN_UP = new KhachapuriError("program_failed", "the answer was given up");

function switchesTo(fields: readonly HeaderField[], asked: string | null): boolean {
  const protocols = fields.filter(([name]) => name === "upgrade");
  return protocols.length === 1 && protocols[0]![1].toLowerCase() === asked;
}

/** Whether the server closes the connection behind its answer. */
function isLast(fields: readonly HeaderField[]): boolean {
  return fields.some(([name, value]) =>
    name === "connection" && connectionOptions(value).has("close")
  );
}

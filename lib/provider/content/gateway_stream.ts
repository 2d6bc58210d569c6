/**
 * Content on its way to a reader, a piece at a time, each made when the one before was taken. A
 * reader that keeps us waiting for longer than a slow connection would is cut off, as it holds a
 * place and a block.
 */
import type { Clock } from "../../clock.ts";
import { KhachapuriError } from "../../errors.ts";
import {
  CONTENT_READER_BYTES_PER_SECOND_MIN,
  CONTENT_READER_GRACE_MS,
} from "../../limits_of_content.ts";
import type { AnswerStream } from "../http/request.ts";

export interface ContentStreamParts {
  pieces: AsyncGenerator<Uint8Array> | Generator<Uint8Array>;
  clock: Clock;
  /** Called once, when nothing more will be made. */
  onEnd(): void;
}

export class ContentStream implements AnswerStream {
  readonly ended: Promise<void>;
  #settle!: (error?: unknown) => void;
  #isOver = false;
  #givenBytes = 0;
  #waitedMs = 0;
  #waitsSince = 0;
  #stopWaiting: (() => void) | null = null;

  constructor(private readonly parts: ContentStreamParts) {
    this.ended = new Promise((resolve, reject) => {
      this.#settle = (error) => error === undefined ? resolve() : reject(error);
    });
    this.ended.catch(() => {}); // Whoever sends it is told.
    this.#awaitReader();
  }

  async read(): Promise<Uint8Array | null> {
    this.#reckonWaiting();
    if (this.#isOver) return null;
    try {
      const { done, value } = await this.parts.pieces.next();
      if (done || this.#isOver) {
        this.#end();
        return null;
      }
      this.#givenBytes += value.length;
      this.#awaitReader();
      return value;
    } catch (error) {
      this.#end(error);
      throw error;
    }
  }

  async cancel(): Promise<void> {
    this.#reckonWaiting();
    this.#end();
    await this.parts.pieces.return(undefined);
  }

  #awaitReader(): void {
    const { clock } = this.parts;
    const allowedMs = CONTENT_READER_GRACE_MS +
      this.#givenBytes / CONTENT_READER_BYTES_PER_SECOND_MIN * 1_000;
    this.#waitsSince = clock.now();
    this.#stopWaiting = clock.after(allowedMs - this.#waitedMs, () => {
      this.#end(new KhachapuriError("rate_limited", "the reader took its answer too slowly"));
      void this.parts.pieces.return(undefined);
    });
  }

  #reckonWaiting(): void {
    if (this.#stopWaiting === null) return;
    this.#stopWaiting();
    this.#stopWaiting = null;
    this.#waitedMs += this.parts.clock.now() - this.#waitsSince;
  }

  #end(error?: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#settle(error);
    this.parts.onEnd();
  }
}

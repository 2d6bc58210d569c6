/** The bytes of a CAR, taken in exact amounts and within limits. */
import type { ByteSource } from "../byte_source.ts";
import { KhachapuriError } from "../errors.ts";
import { decodeVarint } from "./varint.ts";

/** Looked at before every section, so a caller may raise them while it learns what to expect. */
export interface CarLimits {
  bytesMax: number;
  blocksMax: number;
}

export class CarInput {
  /** What came and was not taken yet. */
  #chunk: Uint8Array = new Uint8Array();
  #counted = 0;

  constructor(
    private readonly source: ByteSource,
    private readonly limits: Pick<CarLimits, "bytesMax">,
  ) {}

  /** Counts bytes before they are taken. @throws KhachapuriError `invalid_input` when too many */
  count(length: number): void {
    this.#counted += length;
    if (this.#counted > this.limits.bytesMax) {
      throw malformed(`more than ${this.limits.bytesMax} bytes`);
    }
  }

  /** The next `length` bytes, which are few; they stay. */
  async peek(length: number): Promise<Uint8Array> {
    while (this.#chunk.length < length) {
      const before = this.#chunk;
      const next = await this.#pull();
      if (before.length === 0) continue;
      this.#chunk = new Uint8Array(before.length + next.length);
      this.#chunk.set(before);
      this.#chunk.set(next, before.length);
    }
    return this.#chunk.subarray(0, length);
  }

  /** Leaves out bytes that were peeked at. */
  skip(length: number): void {
    this.#chunk = this.#chunk.subarray(length);
  }

  /**
   * Exactly `length` bytes.
   * @param place what they are to be put into and returned as; without it they are a view of what
   * came, where possible
   */
  async read(length: number, place?: Uint8Array): Promise<Uint8Array> {
    if (!place && this.#chunk.length >= length) return this.#cut(length);
    const bytes = place ?? new Uint8Array(length);
    for (let at = 0; at < length;) {
      if (this.#chunk.length === 0) await this.#pull();
      const part = this.#cut(Math.min(length - at, this.#chunk.length));
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  /** Counts and takes. */
  async take(length: number): Promise<Uint8Array> {
    this.count(length);
    return await this.read(length);
  }

  async varint(): Promise<number>;
  async varint(end: "end allowed"): Promise<number | null>;
  async varint(end?: "end allowed"): Promise<number | null> {
    const bytes: number[] = [];
    for (;;) {
      if (this.#chunk.length === 0 && !await this.#more()) {
        if (bytes.length === 0 && end !== undefined) return null;
        throw cutOff();
      }
      bytes.push(this.#cut(1)[0]!);
      this.#counted++;
      const varint = decodeVarint(bytes);
      if (varint.kind === "wrong") throw malformed(varint.why);
      if (varint.kind === "whole") return varint.value;
    }
  }

  #cut(length: number): Uint8Array {
    const part = this.#chunk.subarray(0, length);
    this.#chunk = this.#chunk.subarray(length);
    return part;
  }

  /** @throws KhachapuriError `invalid_input` at the end */
  async #pull(): Promise<Uint8Array> {
    if (!await this.#more()) throw cutOff();
    return this.#chunk;
  }

  /** Has bytes in hand unless the source is at its end. */
  async #more(): Promise<boolean> {
    const bytes = await this.source.read();
    this.#chunk = bytes ?? new Uint8Array();
    return bytes !== null;
  }
}

function cutOff(): KhachapuriError {
  return malformed("it is cut off");
}

export function malformed(what: string, cause?: unknown): KhachapuriError {
  return new KhachapuriError("invalid_input", `not a CAR that we can use: ${what}`, { cause });
}

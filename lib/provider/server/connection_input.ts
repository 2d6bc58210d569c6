/**
 * What comes in on a connection, a chunk at a time: nothing is read off the socket before somebody
 * wants it, so who does not read holds the server up.
 */

/** What the input reads from. */
export interface Readable {
  read(into: Uint8Array): Promise<number | null>;
}

/** Most answers fit in; an idle connection holds as much. */
const ANSWER_BYTES = 16 * 1024;
/** A tunnel waits with it, for hours at times. */
const TUNNEL_BYTES = 2 * 1024;
/** A buffer that was filled is followed by one of twice the size, up to this. */
const LARGEST_BYTES = 64 * 1024;

const NOTHING = new Uint8Array(0);

export class ConnectionInput {
  #smallest = ANSWER_BYTES;
  #size = ANSWER_BYTES;
  #buffer: Uint8Array | null = null;
  #rest: Uint8Array = NOTHING;
  #filling: Promise<boolean> | null = null;

  constructor(private readonly source: Readable) {}

  /** What was read off the socket and is nobody's yet. */
  get rest(): Uint8Array {
    return this.#rest;
  }

  /** It is a tunnel's from now on. */
  becomeTunnel(): void {
    this.#smallest = TUNNEL_BYTES;
    this.#resize(TUNNEL_BYTES);
  }

  /**
   * Waits for more, where nothing is left; who asks meanwhile waits for the same bytes.
   * @returns whether there is more: false at the end. Fails as the socket does.
   */
  fill(): Promise<boolean> {
    if (this.#rest.length > 0) return Promise.resolve(true);
    return this.#filling ??= this.#read();
  }

  /** So many bytes of the rest are somebody's now. */
  take(count: number): void {
    this.#rest = count === this.#rest.length ? NOTHING : this.#rest.subarray(count);
  }

  /** Bytes that were taken, to be kept while more is read: a copy, or the buffer if it is full. */
  kept(data: Uint8Array): Uint8Array {
    if (data.length * 2 < data.buffer.byteLength || this.#rest.length > 0) return data.slice();
    if (this.#buffer?.buffer === data.buffer) this.#buffer = null;
    return data;
  }

  async #read(): Promise<boolean> {
    const buffer = this.#buffer ??= new Uint8Array(this.#size);
    try {
      const count = await this.source.read(buffer);
      if (count === null) return false;
      this.#rest = buffer.subarray(0, count);
      if (count === buffer.length) this.#resize(Math.min(this.#size * 2, LARGEST_BYTES));
      else if (count * 4 < buffer.length) this.#resize(Math.max(this.#size / 2, this.#smallest));
      return true;
    } finally {
      this.#filling = null;
    }
  }

  /** Of the next buffer; the bytes that are in this one stay where they are. */
  #resize(size: number): void {
    if (size === this.#size) return;
    this.#size = size;
    this.#buffer = null;
  }
}

/**
 * What comes in on a connection, a chunk at a time: nothing is read off the socket before somebody
 * wants it, so who does not read holds the server up.
 */

/** What the input reads from. */
export interface Readable {
  read(into: Uint8Array): Promise<number | null>;
}

/** Most answers fit in; an idle connection holds as much. */
const FIRST_BYTES = 16 * 1024;
/** A connection on which more comes than fits in gets a buffer of twice the size, up to this. */
const LARGEST_BYTES = 128 * 1024;
/** Of a tunnel, which may wait for hours. */
const TUNNEL_BYTES = 2 * 1024;

const NOTHING = new Uint8Array(0);

export class ConnectionInput {
  #size = FIRST_BYTES;
  #buffer: Uint8Array | null = null;
  #rest: Uint8Array = NOTHING;
  #filling: Promise<boolean> | null = null;

  constructor(private readonly source: Readable) {}

  /** What was read off the socket and is nobody's yet. */
  get rest(): Uint8Array {
    return this.#rest;
  }

  /** Begins again with a small buffer. */
  shrink(): void {
    this.#size = TUNNEL_BYTES;
    this.#buffer = null;
  }

  /**
   * Waits for more, where nothing is left; who asks meanwhile waits for the same bytes.
   * @returns whether there is more: false at the end. Fails as the socket does.
   */
  fill(): Promise<boolean> {
    if (this.#rest.length > 0) return Promise.resolve(true);
    return this.#filling ??= this.#read().finally(() => this.#filling = null);
  }

  /** These bytes of the rest are read. */
  take(count: number): void {
    this.#rest = count === this.#rest.length ? NOTHING : this.#rest.subarray(count);
  }

  /** Some of the rest, to be kept while more is read: a copy, or the buffer itself if it is full. */
  kept(data: Uint8Array): Uint8Array {
    const buffer = this.#buffer;
    if (!buffer || data.length * 2 < buffer.length || this.#rest.length > 0) return data.slice();
    this.#buffer = null;
    return data;
  }

  async #read(): Promise<boolean> {
    const buffer = this.#buffer ??= new Uint8Array(this.#size);
    const count = await this.source.read(buffer);
    if (count === null) return false;
    this.#rest = buffer.subarray(0, count);
    if (count === buffer.length && this.#size < LARGEST_BYTES) this.#grow();
    return true;
  }

  /** The bytes that are in the buffer stay where they are. */
  #grow(): void {
    this.#size *= 2;
    this.#buffer = null;
  }
}

/**
 * The body of a request on its way to an instance: counted, known to be waited for or not, and
 * there again for a second try while nothing of it has been sent.
 */
import { type ByteSource, freeWhole } from "../../byte_source.ts";

export class MeteredBody implements ByteSource {
  /** Handed on so far. */
  bytes = 0;
  /** Whether its next bytes are waited for: then its sender holds things up. */
  isAwaited = false;
  /** What its source failed with. */
  failure: unknown = null;
  #isOver = false;
  /** Whoever asks for more has sent it. */
  #last: Uint8Array | null = null;
  /** Its beginning, which goes out with the head: until more is asked for it may be sent anew. */
  #first: Promise<Uint8Array | null> | null = null;

  constructor(private readonly source: ByteSource) {}

  /** For one try at sending it, from its beginning; one that is given up leaves it to the next. */
  attempt(): ByteSource {
    let isBegun = false;
    return {
      read: () => {
        if (isBegun) return this.read();
        isBegun = true;
        this.#first ??= this.read();
        // Whoever began may have ended before it comes.
        this.#first.catch(() => {});
        return this.#first;
      },
      cancel() {},
    };
  }

  async read(): Promise<Uint8Array | null> {
    this.isAwaited = true;
    if (this.#last) freeWhole(this.#last);
    this.#last = null;
    try {
      const bytes = await this.source.read();
      if (bytes) this.bytes += bytes.length;
      else this.#isOver = true;
      return this.#last = bytes;
    } catch (thrown) {
      this.failure = thrown;
      throw thrown;
    } finally {
      this.isAwaited = false;
    }
  }

  /** No try is made any more. */
  cancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.source.cancel();
  }
}

/** The body of a request on its way to an instance: counted, and known to be waited for or not. */
import type { ByteSource } from "../../../sandbox/byte_source.ts";

export class MeteredBody implements ByteSource {
  /** Handed on so far. */
  bytes = 0;
  /** Whether its next bytes are waited for: then its sender holds things up. */
  isAwaited = false;
  /** What its source failed with. */
  failure: unknown = null;
  #isOver = false;

  constructor(private readonly source: ByteSource) {}

  async read(): Promise<Uint8Array | null> {
    this.isAwaited = true;
    try {
      const bytes = await this.source.read();
      if (bytes) this.bytes += bytes.length;
      else this.#isOver = true;
      return bytes;
    } catch (thrown) {
      this.failure = thrown;
      throw thrown;
    } finally {
      this.isAwaited = false;
    }
  }

  cancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.source.cancel();
  }
}

/**
 * Bytes that come in, chunk by chunk. Not a web stream: making and reading one takes a part of each
 * run (`deno task bench sandbox`, row "khachapuri, whole request").
 */
export interface ByteSource {
  /** The next bytes, not empty; null at the end. Fails when they break off. */
  read(): Promise<Uint8Array | null>;
  /** Gives up what is left: who waits for more is told that this is the end. Never throws. */
  cancel(): void;
}

/** A web stream as a source. */
export function streamSource(stream: ReadableStream<Uint8Array>): ByteSource {
  const reader = stream.getReader();
  return {
    async read() {
      for (;;) {
        const { value } = await reader.read();
        if (value === undefined) return null;
        if (value.length > 0) return value;
      }
    },
    cancel: () => void reader.cancel().catch(() => {}),
  };
}

/** Chunks that are all here. */
export function chunksSource(chunks: Iterable<Uint8Array>): ByteSource {
  let left = [...chunks].filter((chunk) => chunk.length > 0);
  return {
    read: () => Promise.resolve(left.shift() ?? null),
    cancel: () => void (left = []),
  };
}

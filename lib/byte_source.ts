/**
 * Bytes that come in, chunk by chunk. Not a web stream: making and reading one takes a part of each
 * run (`deno task bench sandbox`, row "khachapuri, whole request").
 */
export interface ByteSource {
  /** The next bytes, not empty, the reader's alone; null at the end. Fails when they break off. */
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

/** The memory of a smaller chunk is left to the garbage collector. */
const LARGE_BYTES = 32 * 1024;

/**
 * Frees a large chunk's memory now, where nobody has use for it any more: whoever looks at it later
 * finds it empty. Left to the garbage collector, chunks of some megabytes have it go through the
 * whole heap, again and again (`deno task bench growth --only=sizes`).
 */
export function free({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength >= LARGE_BYTES) buffer.transfer(0);
}

/** The same of a chunk that came from elsewhere: others may have a part of its memory. */
export function freeWhole(chunk: Uint8Array): void {
  if (chunk.length === chunk.buffer.byteLength) free(chunk);
}

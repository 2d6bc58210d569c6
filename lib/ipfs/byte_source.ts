/** Bytes that come one after the other, from the network or from a file. */
import type { Leisure } from "../leisure.ts";

export interface ByteSource {
  /**
   * The next bytes, as many as come at once; null at the end.
   * @param place where they are wanted; who can, puts them at its beginning and returns that part
   */
  read(place?: Uint8Array): Promise<Uint8Array | null>;
  close(): Promise<void>;
}

/** Read at a time where nobody says how much: the heads of blocks, with what stands between. */
const PIECE_BYTES = 64 * 1024;

/** @param noteBytes told the bytes of each piece that arrives */
export function streamSource(
  stream: ReadableStream<Uint8Array>,
  noteBytes: (bytes: number) => void = () => {},
): ByteSource {
  const reader = stream.getReader();
  return {
    async read() {
      const { done, value } = await reader.read();
      if (done) return null;
      noteBytes(value.length);
      return value;
    },
    async close() {
      await reader.cancel().catch(() => {});
    },
  };
}

/** The file from where it stands; it is closed with the source. */
export function fileSource(file: Deno.FsFile, leisure: Leisure): ByteSource {
  let isOpen = true;
  return {
    async read(place) {
      // Fresh memory costs about as much as what is read into it.
      const piece = place ?? new Uint8Array(PIECE_BYTES);
      const length = await leisure.slice(piece.length, () => file.read(piece));
      return length === null ? null : piece.subarray(0, length);
    },
    close() {
      if (isOpen) file.close();
      isOpen = false;
      return Promise.resolve();
    },
  };
}

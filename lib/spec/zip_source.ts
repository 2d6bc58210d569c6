/** An archive's bytes wherever they are, read at random and a piece at a time. */
import { fill } from "../file_bytes.ts";

export interface ZipSource {
  readonly bytes: number;
  /** So many bytes that lie inside, not to be changed. One read at a time. */
  read(at: number, length: number): Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>>;
}

/** Read at a time at least: of small entries many at once. */
const WINDOW_BYTES = 64 * 1024;

/** What is read at a time of something long: bounds what one opening takes of memory. */
export const PIECE_BYTES = 256 * 1024;

/** So many bytes that lie inside, a piece at a time; none is read before it is asked for. */
export async function* piecesOf(
  source: ZipSource,
  at: number,
  bytes: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (let from = 0; from < bytes; from += PIECE_BYTES) {
    yield await source.read(at + from, Math.min(PIECE_BYTES, bytes - from));
  }
}

/** An archive in memory. */
export function bytesSource(zip: Uint8Array<ArrayBuffer>): ZipSource {
  return { bytes: zip.length, read: (at, length) => zip.subarray(at, at + length) };
}

/** An archive in a file of so many bytes, which stays open. */
export function fileSource(file: Deno.FsFile, bytes: number): ZipSource {
  let [window, start] = [new Uint8Array(), 0];
  return {
    bytes,
    read(at, length) {
      const from = at - start;
      if (from >= 0 && from + length <= window.length) {
        return window.subarray(from, from + length);
      }
      // A fresh one each time: who has a part of the last one goes on with it.
      const next = new Uint8Array(Math.min(Math.max(length, WINDOW_BYTES), bytes - at));
      file.seekSync(at, Deno.SeekMode.Start); // which waits for nothing
      return fill(file, next).then((filled) => {
        if (filled < next.length) throw new Error("a program's archive has become shorter");
        [window, start] = [next, at];
        return next.subarray(0, length);
      });
    },
  };
}

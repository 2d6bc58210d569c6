/** What an entry of an archive unpacks to, a piece at a time; none before it is asked for. */
import { Readable } from "node:stream";
import { createInflateRaw } from "node:zlib";
import { KhachapuriError } from "../errors.ts";
import type { ZipEntry } from "./zip_reader.ts";
import { PIECE_BYTES, piecesOf, type ZipSource } from "./zip_source.ts";

/** One piece is inflated when it is asked for, none ahead: it is part of a slice. */
const ONE_PIECE = { chunkSize: PIECE_BYTES, readableHighWaterMark: 0 };

type Pieces = AsyncIterable<Uint8Array<ArrayBuffer>>;

/** @throws KhachapuriError `invalid_program` where its packed bytes are no such stream, or more */
export function unpackedPieces(entry: ZipEntry, source: ZipSource): Pieces {
  const { method, packedAt, packedBytes } = entry;
  return method === "stored" ? piecesOf(source, packedAt, packedBytes) : inflated(entry, source);
}

async function* inflated(
  entry: ZipEntry,
  source: ZipSource,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const { packedAt, packedBytes } = entry;
  const inflate = createInflateRaw(ONE_PIECE);
  let failure: unknown = null;
  const packed = piecesOf(source, packedAt, packedBytes);
  const input = Readable.from(packed, { objectMode: false, highWaterMark: 1 });
  input.on("error", (error) => {
    failure = error;
    inflate.destroy(error);
  });
  if (packedBytes > PIECE_BYTES) input.pipe(inflate);
  else inflate.end(await source.read(packedAt, packedBytes));
  try {
    yield* inflate as Pieces;
  } catch {
    throw failure ?? lied(entry, "is no valid deflate stream");
  } finally {
    input.destroy();
  }
  if (inflate.bytesWritten !== packedBytes) {
    throw lied(entry, "has bytes behind its deflate stream");
  }
}

export function lied({ path }: ZipEntry, what: string): KhachapuriError {
  return new KhachapuriError("invalid_program", `program zip: ${JSON.stringify(path)} ${what}`);
}

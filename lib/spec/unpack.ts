/**
 * A program's zip, unpacked. Nothing in it is trusted: the whole of it is checked before the first
 * file is written, and what it takes of disk and memory is known by then.
 */
import { Buffer } from "node:buffer";
import { crc32, createInflateRaw } from "node:zlib";
import { join } from "node:path";
import { KhachapuriError } from "../errors.ts";
import { Leisure } from "../leisure.ts";
import { foldersOf } from "./program_path.ts";
import { readZip, type ZipEntry } from "./zip_reader.ts";

/** What unpacked files take of a file system. */
export interface Footprint {
  /** In whole blocks. */
  readonly diskBytes: number;
  /** Files, links and folders, also those that are only implied by what lies in them. */
  readonly inodes: number;
}

/** What the usual file systems give out at least; an empty file takes an inode of this order. */
const BLOCK_BYTES = 4_096;
/** A folder's own record of a file, beside its name. */
const FOLDER_ITEM_BYTES = 16;
/** Of a large folder's blocks no more than half may be full: it is a tree. */
const FOLDER_SLACK = 2;
/** What is inflated or copied before it is written: bounds what one opening takes of memory. */
const PIECE_BYTES = 256 * 1024;
/** Making a file, a link or a folder is work like writing so many bytes. */
const ENTRY_BYTES = 1_024;
/** One piece is inflated when it is asked for, none ahead: it is part of a slice. */
const ONE_PIECE = { chunkSize: PIECE_BYTES, readableHighWaterMark: 0 };

/**
 * Unpacks a program into `dir`, which comes into being complete or not at all. A `dir` that is
 * there already, from another request for the same content, is left as it is.
 * @throws KhachapuriError `invalid_program`
 */
export async function unpackProgram(zip: Uint8Array, dir: string): Promise<void> {
  await unpackEntries(await readZip(zip as Uint8Array<ArrayBuffer>), dir);
}

/**
 * As `unpackProgram`, for an archive that was read.
 * @throws KhachapuriError `invalid_program` when the packed bytes are not what the entries say
 */
export async function unpackEntries(entries: readonly ZipEntry[], dir: string): Promise<void> {
  const partial = `${dir}.${crypto.randomUUID()}`;
  await makeFolder(partial);
  const leisure = new Leisure();
  try {
    for (const folder of foldersOf(entries)) {
      await leisure.slice(ENTRY_BYTES, () => makeFolder(join(partial, folder)));
    }
    for (const entry of entries) await unpackEntry(entry, join(partial, entry.path), leisure);
    await moveInto(partial, dir);
  } finally {
    await Deno.remove(partial, { recursive: true }).catch(() => {});
  }
}

/** What `unpackEntries` will take: 10,000 empty files are some 80 MB, not nothing. */
export function footprintOf(entries: readonly ZipEntry[]): Footprint {
  const files = entries.filter(({ kind }) => kind === "file");
  const folders = foldersOf(entries);
  const links = entries.filter(({ kind }) => kind === "link");
  const items = [...[...files, ...links].map(({ path }) => path), ...folders];
  const names = items.reduce((sum, path) => {
    return sum + FOLDER_ITEM_BYTES + Buffer.byteLength(path.slice(path.lastIndexOf("/") + 1));
  }, 0);
  const folderBytes = (folders.length + 1) * BLOCK_BYTES + FOLDER_SLACK * names;
  const fileBytes = files.reduce((sum, { size }) => sum + inBlocks(Math.max(size, 1)), 0);
  const linkBytes = links.length * BLOCK_BYTES;
  return {
    diskBytes: fileBytes + linkBytes + inBlocks(folderBytes),
    inodes: items.length + 1,
  };
}

function inBlocks(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}

async function moveInto(partial: string, dir: string): Promise<void> {
  try {
    await Deno.rename(partial, dir);
  } catch (error) {
    const there = await Deno.stat(dir).catch(() => null);
    if (!there?.isDirectory) throw error;
  }
}

async function unpackEntry(entry: ZipEntry, path: string, leisure: Leisure): Promise<void> {
  const { kind, link } = entry;
  if (link !== null) await leisure.slice(ENTRY_BYTES, () => Deno.symlink(link, path));
  if (kind === "file") await unpackFile(entry, path, leisure);
}

/** Folders get their mode by chmod: the process's umask must not decide who can run a program. */
async function makeFolder(path: string): Promise<void> {
  await Deno.mkdir(path);
  await Deno.chmod(path, 0o755);
}

async function unpackFile(entry: ZipEntry, path: string, leisure: Leisure): Promise<void> {
  const pieces = unpackedPieces(entry, path);
  const next = () => pieces.next();
  let left = ENTRY_BYTES + entry.size;
  while (!(await leisure.slice(Math.min(left, PIECE_BYTES), next)).done) {
    left = Math.max(0, left - PIECE_BYTES);
  }
}

/** Comes back between two pieces. A lying size costs one piece beyond what it declared at most. */
async function* unpackedPieces(entry: ZipEntry, path: string): AsyncGenerator<void, void> {
  using file = await Deno.open(path, { write: true, createNew: true });
  let size = 0;
  let checksum = 0;
  for await (const piece of entry.method === "stored" ? storedPieces(entry) : inflated(entry)) {
    if (size > 0) yield;
    size += piece.length;
    if (size > entry.size) throw lied(entry, "unpacks to more than it declares");
    checksum = crc32(piece, checksum);
    for (let at = 0; at < piece.length;) at += await file.write(piece.subarray(at));
  }
  if (size !== entry.size) throw lied(entry, "unpacks to less than it declares");
  if (checksum !== entry.crc32) throw lied(entry, "does not match its checksum");
  await Deno.chmod(path, entry.executable ? 0o755 : 0o644);
}

function* storedPieces({ packed }: ZipEntry): Iterable<Uint8Array> {
  for (let at = 0; at < packed.length; at += PIECE_BYTES) {
    yield packed.subarray(at, at + PIECE_BYTES);
  }
}

async function* inflated(entry: ZipEntry): AsyncIterable<Uint8Array> {
  const inflate = createInflateRaw(ONE_PIECE);
  inflate.end(entry.packed);
  try {
    yield* inflate as AsyncIterable<Uint8Array>;
  } catch {
    throw lied(entry, "is no valid deflate stream");
  }
  if (inflate.bytesWritten !== entry.packed.length) {
    throw lied(entry, "has bytes behind its deflate stream");
  }
}

function lied(entry: ZipEntry, what: string): KhachapuriError {
  return new KhachapuriError(
    "invalid_program",
    `program zip: ${JSON.stringify(entry.path)} ${what}`,
  );
}

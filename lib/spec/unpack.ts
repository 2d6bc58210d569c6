/**
 * A program's zip, unpacked. Nothing in it is trusted: the whole of it is checked before the first
 * file is written, and what it takes of disk and memory is known by then.
 */
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { crc32, inflateRawSync } from "node:zlib";
import { writeAll } from "../file_bytes.ts";
import { Leisure } from "../leisure.ts";
import { breathe, inSlices } from "../slices.ts";
import { lied, unpackedPieces } from "./inflate.ts";
import { foldersOf } from "./program_path.ts";
import { readZip, type ZipEntry } from "./zip_reader.ts";
import { bytesSource, PIECE_BYTES, type ZipSource } from "./zip_source.ts";

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
/** Making a file, a link or a folder is work like writing so many bytes. */
const ENTRY_BYTES = 1_024;
/** Up to this size a file is inflated and written in one go, some 50 µs of the event loop. */
const SMALL_BYTES = 64 * 1024;

/**
 * Unpacks a program into `dir`, which comes into being complete or not at all. A `dir` that is
 * there already, from another request for the same content, is left as it is.
 * @throws KhachapuriError `invalid_program`
 */
export async function unpackProgram(zip: Uint8Array, dir: string): Promise<void> {
  const source = bytesSource(zip as Uint8Array<ArrayBuffer>);
  await unpackEntries(await readZip(source), source, dir);
}

/**
 * As `unpackProgram`, for an archive that was read.
 * @throws KhachapuriError `invalid_program` when the packed bytes are not what the entries say
 */
export async function unpackEntries(
  entries: readonly ZipEntry[],
  source: ZipSource,
  dir: string,
): Promise<void> {
  const partial = `${dir}.${crypto.randomUUID()}`;
  makeFolder(partial);
  const leisure = new Leisure();
  try {
    await inSlices(foldersOf(entries), (folder) => {
      return leisure.slice(ENTRY_BYTES, () => makeFolder(join(partial, folder)));
    });
    await inSlices(entries, (entry) => {
      return unpackEntry(entry, source, join(partial, entry.path), leisure);
    });
    await moveInto(partial, dir);
  } catch (error) {
    await Deno.remove(partial, { recursive: true }).catch(() => {});
    throw error;
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
    await Deno.remove(partial, { recursive: true }).catch(() => {});
  }
}

async function unpackEntry(
  entry: ZipEntry,
  source: ZipSource,
  path: string,
  leisure: Leisure,
): Promise<void> {
  const { kind, link, size, packedBytes } = entry;
  if (link !== null) return await leisure.slice(ENTRY_BYTES, () => Deno.symlinkSync(link, path));
  if (kind !== "file") return;
  if (Math.max(size, packedBytes) <= SMALL_BYTES) {
    const packed = await source.read(entry.packedAt, packedBytes);
    const isWritten = await leisure.slice(
      ENTRY_BYTES + size,
      () => unpackSmall(entry, packed, path),
    );
    if (isWritten) return;
  }
  await unpackLarge(entry, source, path, leisure);
}

/**
 * Files without number are made here and now: handing each to a thread takes ten times as long.
 * @returns false where something is wrong with it, and nothing was written
 */
function unpackSmall(entry: ZipEntry, packed: Uint8Array<ArrayBuffer>, path: string): boolean {
  const bytes = entry.method === "stored" ? packed : inflatedWhole(entry, packed);
  if (bytes === null || bytes.length !== entry.size || crc32(bytes) !== entry.crc32) return false;
  // With a mode it is given it by fchmod: the process's umask must not decide who can run it.
  Deno.writeFileSync(path, bytes, { createNew: true, mode: modeOf(entry) });
  return true;
}

function inflatedWhole({ size }: ZipEntry, packed: Uint8Array<ArrayBuffer>): Uint8Array | null {
  try {
    // One byte more than there should be is no file of ours, and needs no memory.
    const most = Math.max(size, MIN_INFLATED_BYTES);
    const { buffer, engine } = inflateRawSync(packed, {
      info: true,
      chunkSize: most + 1,
      maxOutputLength: most + 1,
    }) as unknown as { buffer: Uint8Array; engine: { bytesWritten: number } };
    return engine.bytesWritten === packed.length ? buffer : null;
  } catch {
    return null;
  }
}

/** zlib's smallest chunk. */
const MIN_INFLATED_BYTES = 64;

function modeOf({ executable }: ZipEntry): number {
  return executable ? 0o755 : 0o644;
}

/** Folders get their mode by chmod: the process's umask must not decide who can run a program. */
function makeFolder(path: string): void {
  Deno.mkdirSync(path);
  Deno.chmodSync(path, 0o755);
}

/** A piece at a time, as it is inflated. Its slices end with what is written of it. */
async function unpackLarge(
  entry: ZipEntry,
  source: ZipSource,
  path: string,
  leisure: Leisure,
): Promise<void> {
  const pieces = writtenPieces(entry, source, path);
  const next = () => pieces.next();
  let left = ENTRY_BYTES + entry.size;
  while (!(await leisure.slice(Math.min(left, PIECE_BYTES), next)).done) {
    left = Math.max(0, left - PIECE_BYTES);
    await breathe();
  }
}

/** Comes back between two pieces. A lying size costs one piece beyond what it declared at most. */
async function* writtenPieces(
  entry: ZipEntry,
  source: ZipSource,
  path: string,
): AsyncGenerator<void, void> {
  using file = await Deno.open(path, { write: true, createNew: true });
  let size = 0;
  let checksum = 0;
  for await (const piece of unpackedPieces(entry, source)) {
    if (size > 0) yield;
    size += piece.length;
    if (size > entry.size) throw lied(entry, "unpacks to more than it declares");
    checksum = crc32(piece, checksum);
    await writeAll(file, piece);
  }
  if (size !== entry.size) throw lied(entry, "unpacks to less than it declares");
  if (checksum !== entry.crc32) throw lied(entry, "does not match its checksum");
  await Deno.chmod(path, modeOf(entry));
}

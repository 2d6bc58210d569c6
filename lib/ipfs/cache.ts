/**
 * Verified files on disk, one CAR each, so that a hit is read in order and is checked against its
 * CID again: a corrupt or planted file is dropped and fetched anew. Anybody can have a file
 * fetched, so what nobody has judged yet has a small share of its own, where it makes room for its
 * like only.
 */
import { join } from "node:path";
import { type Block, type CID, formatCid } from "../cid.ts";
import { CACHE_UNJUDGED_BYTES_MAX, CACHE_UNJUDGED_FILES_MAX } from "../limits.ts";
import { CachedFile } from "./cached_file.ts";
import { CachePart } from "./cache_part.ts";
import { carParts } from "./car.ts";
import { openShelf, type Shelf, type ShelfBounds } from "./shelf.ts";
import { type BoundedRead, readBoundedFile, refusedBytes, tooLarge } from "./unixfs.ts";
import { type FileSink, GuardedSink, streamUnixfsFile } from "./unixfs_stream.ts";

export interface BlockCache {
  /**
   * The file `cid` if it is here, verified again.
   * @throws KhachapuriError `invalid_input` when it is larger than `maxBytes`
   */
  get(cid: CID, maxBytes: number): Promise<Uint8Array | null>;
  /**
   * As `get`, into a sink.
   * @returns whether it was here
   * @throws KhachapuriError `invalid_input` when it is larger, and whatever the sink throws
   */
  stream(cid: CID, maxBytes: number, sink: FileSink): Promise<boolean>;
  /** Begins a file whose verified blocks come one by one; to be disposed of. */
  begin(cid: CID): Promise<CachePart>;
  /**
   * Has the blocks of a verified file, root first, until they are judged; does nothing when they
   * can't be written.
   */
  put(cid: CID, blocks: readonly Block[]): Promise<void>;
  /**
   * Whether the file is worth its room: it stays, or it goes at once. What was found useful once
   * stays, whatever others say of it.
   */
  judge(cid: CID, isUseful: boolean): Promise<void>;
  /** Disk that is held now, bytes in whole blocks. */
  size(): number;
}

export interface CacheOptions {
  /** Disk to use at most for what was found useful, in whole blocks. */
  maxBytes: number;
  /** Files of it at most. */
  maxFiles: number;
  /** Told what was found useful, and what of it is here no more. */
  watcher?: CacheWatcher;
  /** The same of what nobody has judged yet. */
  unjudgedWatcher?: CacheWatcher | undefined;
}

/** Knows which files a folder of the cache has, by the texts of their cids. */
export interface CacheWatcher {
  /** It may have been there before, with its blocks elsewhere in it. */
  noteKept(name: string): void;
  noteGone(name: string): void;
}

const SUFFIX = ".car";
const UNJUDGED = "unjudged";

/** Opens (or makes) the cache in `dir`, mode 0700, with what earlier processes left in it. */
export async function openCache(
  dir: string,
  { maxBytes, maxFiles, watcher, unjudgedWatcher }: CacheOptions,
): Promise<BlockCache> {
  const kept = await openShelf(dir, SUFFIX, {
    bytesMax: maxBytes,
    filesMax: maxFiles,
    ...told(watcher),
  });
  const unjudged = await openShelf(unjudgedDir(dir), SUFFIX, {
    bytesMax: Math.min(maxBytes, CACHE_UNJUDGED_BYTES_MAX),
    filesMax: CACHE_UNJUDGED_FILES_MAX,
    ...told(unjudgedWatcher),
  });
  return {
    size: () => kept.bytes() + unjudged.bytes(),
    async get(cid, maxBytes) {
      const name = formatCid(cid);
      return await read(kept, name, cid, maxBytes) ?? await read(unjudged, name, cid, maxBytes);
    },
    async stream(cid, maxBytes, sink) {
      const name = formatCid(cid);
      return await stream(kept, name, cid, maxBytes, sink) ||
        await stream(unjudged, name, cid, maxBytes, sink);
    },
    begin: async (cid) => new CachePart(await unjudged.begin(formatCid(cid)), cid),
    async put(cid, blocks) {
      await unjudged.write(formatCid(cid), carParts({ root: cid, blocks: [...blocks] }));
    },
    async judge(cid, isUseful) {
      const name = formatCid(cid);
      if (!isUseful) return await unjudged.remove(name);
      await kept.takeFrom(unjudged, name);
    },
  };
}

/** Where the cache in `dir` has what nobody has judged yet. */
export function unjudgedDir(dir: string): string {
  return join(dir, UNJUDGED);
}

/** Where the cache in `dir` has a file that was found useful. */
export function keptPath(dir: string, name: string): string {
  return join(dir, name + SUFFIX);
}

function told(watcher: CacheWatcher | undefined): Pick<ShelfBounds, "onKept" | "onGone"> {
  return {
    onKept: (name) => watcher?.noteKept(name),
    onGone: (name) => watcher?.noteGone(name),
  };
}

async function read(
  shelf: Shelf,
  name: string,
  cid: CID,
  maxBytes: number,
): Promise<Uint8Array | null> {
  const opened = await shelf.open(name);
  if (opened === null) return null;
  let read: BoundedRead;
  try {
    await using file = new CachedFile(opened);
    read = await readBoundedFile(cid, file, maxBytes);
  } catch {
    await shelf.remove(name);
    return null;
  }
  if (read.kind === "too large") throw tooLarge(read.fileBytes, maxBytes);
  await shelf.touch(name);
  return read.file.bytes;
}

async function stream(
  shelf: Shelf,
  name: string,
  cid: CID,
  maxBytes: number,
  sink: FileSink,
): Promise<boolean> {
  const opened = await shelf.open(name);
  if (opened === null) return false;
  const guarded = new GuardedSink(sink);
  try {
    await using file = new CachedFile(opened);
    await streamUnixfsFile(cid, { get: (one) => file.getAgain(one) }, maxBytes, guarded);
  } catch (error) {
    if (guarded.failed || refusedBytes(error) !== null) throw error;
    await shelf.remove(name);
    return false;
  }
  await shelf.touch(name);
  return true;
}

/**
 * Verified files on disk, one CAR each, so that a hit is one read and is checked against its CID
 * again: a corrupt or planted file is dropped and fetched anew. The least recently used go first.
 */
import { join } from "node:path";
import { type Block, blockKey, type CID, formatCid } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import { DAG_VISITS_MAX } from "../limits.ts";
import { readCar, writeCar } from "./car.ts";
import { type BoundedRead, readBoundedFile, tooLarge } from "./unixfs.ts";

export interface BlockCache {
  /**
   * The file `cid` if it is here, verified again.
   * @throws KhachapuriError `invalid_input` when it is larger than `maxBytes`
   */
  get(cid: CID, maxBytes: number): Promise<Uint8Array | null>;
  /** Keeps the blocks of a verified file, root first; does nothing when they can't be written. */
  put(cid: CID, blocks: readonly Block[]): Promise<void>;
  /** Bytes held now. */
  size(): number;
}

const SUFFIX = ".car";
const TEMPORARY = ".part";

/**
 * Opens (or makes) the cache in `dir`, mode 0700, with what earlier processes left in it.
 * @param options.maxBytes disk to use at most
 */
export async function openCache(dir: string, options: { maxBytes: number }): Promise<BlockCache> {
  await Deno.mkdir(dir, { recursive: true, mode: 0o700 });
  await Deno.chmod(dir, 0o700);
  /** Size by file name, least recently used first. */
  const entries = await listEntries(dir);
  let total = [...entries.values()].reduce((sum, size) => sum + size, 0);

  const forget = (name: string) => {
    total -= entries.get(name) ?? 0;
    entries.delete(name);
  };
  const remember = (name: string, size: number) => {
    forget(name);
    entries.set(name, size);
    total += size;
  };
  const remove = async (name: string) => {
    forget(name);
    await Deno.remove(join(dir, name)).catch(() => {});
  };
  const evict = async () => {
    for (const name of [...entries.keys()]) {
      if (total <= options.maxBytes) return;
      await remove(name);
    }
  };
  await evict();

  return {
    size: () => total,
    async get(cid, maxBytes) {
      const name = formatCid(cid) + SUFFIX;
      const path = join(dir, name);
      const car = await readIfThere(path);
      if (car === null) {
        forget(name);
        return null;
      }
      let read: BoundedRead;
      try {
        read = await readVerified(cid, car, maxBytes);
      } catch {
        await remove(name);
        return null;
      }
      if (read.kind === "too large") throw tooLarge(read.fileBytes, maxBytes);
      remember(name, car.length);
      const now = new Date();
      await Deno.utime(path, now, now).catch(() => {});
      return read.file.bytes;
    },
    async put(cid, blocks) {
      const name = formatCid(cid) + SUFFIX;
      const car = writeCar({ root: cid, blocks: [...blocks] });
      if (car.length > options.maxBytes) return;
      if (!(await writeAtomically(dir, name, car))) return;
      remember(name, car.length);
      await evict();
    },
  };
}

async function listEntries(dir: string): Promise<Map<string, number>> {
  const found: { name: string; size: number; usedMs: number }[] = [];
  for await (const { name, isFile } of Deno.readDir(dir)) {
    if (!isFile) continue;
    const path = join(dir, name);
    // Left by a process that died while writing. One that still writes just caches nothing now.
    if (name.endsWith(TEMPORARY)) await Deno.remove(path).catch(() => {});
    if (!name.endsWith(SUFFIX)) continue;
    const info = await Deno.stat(path).catch(() => null);
    if (info) found.push({ name, size: info.size, usedMs: info.mtime?.getTime() ?? 0 });
  }
  found.sort((one, other) => one.usedMs - other.usedMs);
  return new Map(found.map(({ name, size }) => [name, size]));
}

/** @returns null for a file that is not there or can't be read; its content is fetched again */
async function readIfThere(path: string): Promise<Uint8Array | null> {
  try {
    return await Deno.readFile(path);
  } catch {
    return null;
  }
}

async function readVerified(cid: CID, car: Uint8Array, maxBytes: number): Promise<BoundedRead> {
  const blocks = readCar(ReadableStream.from([car]), {
    bytesMax: car.length,
    blocksMax: DAG_VISITS_MAX,
  });
  const source = {
    async get(wanted: CID): Promise<Uint8Array> {
      const { done, value } = await blocks.next();
      // `put` wrote each block once, in the order in which the walk asks for them.
      if (done || blockKey(value.cid) !== blockKey(wanted)) {
        throw new KhachapuriError("invalid_input", "not the block that comes next");
      }
      return value.bytes;
    },
  };
  try {
    return await readBoundedFile(cid, source, maxBytes);
  } finally {
    await blocks.return(undefined);
  }
}

async function writeAtomically(dir: string, name: string, bytes: Uint8Array): Promise<boolean> {
  const temporary = join(dir, `.${name}.${crypto.randomUUID()}${TEMPORARY}`);
  try {
    await Deno.writeFile(temporary, bytes, { mode: 0o600, createNew: true });
    await Deno.rename(temporary, join(dir, name));
    return true;
  } catch {
    await Deno.remove(temporary).catch(() => {});
    return false;
  }
}

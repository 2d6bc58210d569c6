/**
 * Blocks of a folder of the cache by their cids: of its useful files, say. Where they are stands in
 * an index on disk, so that neither a start nor the memory follows from how much is cached. The
 * index is a guess: each block is verified as it is read, and what the index does not have is
 * looked for once in the file of that name. So nothing waits for it, and a crash costs no more than
 * indexing a file again.
 */
import { blockKey, type CID, formatCid, isContentOf } from "../cid.ts";
import { CACHED_BLOCKS_MAX } from "../limits_of_content.ts";
import { breathe } from "../slices.ts";
import type { BlockReader } from "./block_reader.ts";
import { BlockIndex, type BlockPlace } from "./block_index.ts";
import { type CacheWatcher, keptPath } from "./cache.ts";
import { type CarSection, carSections } from "./car_file.ts";

/** Sections that are written into the index at a time: a fraction of a millisecond. */
const BATCH = 256;

export class CachedBlocks implements BlockReader, CacheWatcher {
  #isClosed = false;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly dir: string,
    private readonly index: BlockIndex,
    private readonly blocksMax: number,
  ) {}

  /**
   * Opens the index of the cache in `dir`, or makes it. To be closed.
   * @param blocksMax found by their cids; files indexed longest ago go first
   */
  static async open(dir: string, blocksMax = CACHED_BLOCKS_MAX): Promise<CachedBlocks> {
    await Deno.mkdir(dir, { recursive: true, mode: 0o700 });
    const blocks = new CachedBlocks(dir, BlockIndex.open(dir), blocksMax);
    blocks.#later(() => blocks.#catchUp());
    return blocks;
  }

  async get(cid: CID): Promise<Uint8Array | null> {
    const place = this.#placeOf(cid) ?? await this.#findByName(cid);
    if (place === null) return null;
    const bytes = await readAt(keptPath(this.dir, place.file), place).catch(() => null);
    if (bytes !== null && isContentOf(cid, bytes)) return bytes;
    // The file was changed, or is another by now.
    this.noteGone(place.file);
    return null;
  }

  noteKept(name: string): void {
    this.#later(() => this.#indexFile(name));
  }

  noteGone(name: string): void {
    this.#later(() => {
      this.index.strike(name);
      return this.#sweep();
    });
  }

  /** When what is under way is done. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#last;
    this.index.close();
  }

  /** Resolves when all that was noted by now is in the index. */
  settled(): Promise<unknown> {
    return this.#last;
  }

  /** One after the other, behind whatever calls wait for. */
  #later<Result>(work: () => Promise<Result>): Promise<Result | null> {
    const done = this.#last.then(() => this.#isClosed ? null : work()).catch(() => null);
    this.#last = done;
    return done;
  }

  #placeOf(cid: CID): BlockPlace | null {
    return this.#isClosed ? null : this.index.find(blockKey(cid));
  }

  async #findByName(cid: CID): Promise<BlockPlace | null> {
    const name = formatCid(cid);
    if (!await isFile(keptPath(this.dir, name))) return null;
    await this.#later(() => this.#indexFile(name));
    return this.#placeOf(cid);
  }

  async #indexFile(name: string): Promise<void> {
    this.index.strike(name);
    using file = await Deno.open(keptPath(this.dir, name));
    const id = this.index.begin(name);
    let batch: CarSection[] = [];
    for await (const section of carSections(file)) {
      if (batch.push(section) < BATCH) continue;
      this.index.add(id, batch);
      batch = [];
      await breathe();
    }
    this.index.add(id, batch);
    this.index.finish(id);
    await this.#sweep();
  }

  /** Removes the rows of what is gone, and of the oldest files where there are too many. */
  async #sweep(): Promise<void> {
    while (this.index.blocks() > this.blocksMax && this.index.strikeOldest()) { /* one more */ }
    while (!this.#isClosed && this.index.sweep()) await breathe();
  }

  /** Indexes what an earlier process, or version, left without. */
  async #catchUp(): Promise<void> {
    await this.#sweep();
    for await (const { name: file, isFile } of Deno.readDir(this.dir)) {
      if (this.#isClosed) return;
      const name = file.replace(/\.car$/, "");
      if (!isFile || name === file || this.index.has(name)) continue;
      await this.#indexFile(name).catch(() => {});
    }
  }
}

async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then(({ isFile }) => isFile, () => false);
}

async function readAt(path: string, { offset, length }: BlockPlace): Promise<Uint8Array | null> {
  using file = await Deno.open(path);
  await file.seek(offset, Deno.SeekMode.Start);
  const bytes = new Uint8Array(length);
  for (let filled = 0; filled < length;) {
    const read = await file.read(bytes.subarray(filled));
    if (read === null) return null;
    filled += read;
  }
  return bytes;
}

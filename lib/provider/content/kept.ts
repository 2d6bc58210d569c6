/**
 * What owners have pushed and is kept for them: read block by block, each checked against its cid
 * again, and given up when nobody has it kept any more.
 */
import type { Address } from "viem";
import { type CID, type CidText, formatCid, isContentOf, parseCid } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import type { BlockReader } from "../../ipfs/block_reader.ts";
import { readBoundedFile, tooLarge } from "../../ipfs/unixfs.ts";
import { type FileSink, streamUnixfsFile } from "../../ipfs/unixfs_stream.ts";
import { Leisure } from "../../leisure.ts";
import type { Log } from "../../log.ts";
import type { BlockPlace } from "./car_intake.ts";
import { diskBytesOf, KeptFiles, type PartName } from "./kept_files.ts";
import { type Keeper, KeptIndex, type KeptPlace, type KeptRoot, type Use } from "./kept_index.ts";

export interface KeptOptions {
  /** The folder of the CARs. */
  dir: string;
  /** The book's file. */
  indexPath: string;
  log: Log;
  now: () => number;
}

export class Kept implements BlockReader {
  #bytes: number;
  #count: number;
  #isRetired = false;
  /** Changes of files go one after the other: none removes what another has just kept. */
  #lastChange: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly options: KeptOptions,
    readonly files: KeptFiles,
    readonly index: KeptIndex,
  ) {
    const roots = index.roots();
    this.#bytes = roots.reduce((sum, { diskBytes }) => sum + diskBytes, 0);
    this.#count = roots.length;
  }

  /** Opens what earlier processes left; what one was in the midst of is undone. */
  static async open(options: KeptOptions): Promise<Kept> {
    const { dir, indexPath, log } = options;
    const files = await KeptFiles.open(dir);
    const index = new KeptIndex(indexPath);
    const { cars } = await files.list();
    const isWhole = ({ root, bytes }: KeptRoot) => cars.get(root) === bytes;
    for (const kept of index.roots()) {
      if (isWhole(kept)) continue;
      log.error("what was kept is not there any more", { root: kept.root });
      index.forget(kept);
      await index.dropBlocks(kept.id);
    }
    for (const root of cars.keys()) {
      if (!index.find(root as CidText)) await files.removeCar(root);
    }
    return new Kept(options, files, index);
  }

  close(): void {
    this.index.close();
  }

  /** Another process writes down what is used from now on. */
  retire(): void {
    this.#isRetired = true;
  }

  /** What it takes of the disk. */
  bytes(): number {
    return this.#bytes;
  }

  /** How many roots are kept. */
  count(): number {
    return this.#count;
  }

  /** Whether a block is said to be here; it is verified as it is read. */
  has(cid: CID): boolean {
    return this.index.placeOf(cid.multihash.digest) !== null;
  }

  async get(cid: CID): Promise<Uint8Array | null> {
    return await this.#readAt(this.index.placeOf(cid.multihash.digest), cid);
  }

  /** What deployments use: the rest is for those who have it kept. */
  readonly used: BlockReader = {
    get: (cid) => this.#readAt(this.index.usedPlaceOf(cid.multihash.digest), cid),
  };

  /** The blocks of one root, for an owner that has it kept; null for others. */
  ofOwner(owner: Address, root: CidText): BlockReader | null {
    if (!this.index.isKeeper(owner, root)) return null;
    return { get: (cid) => this.#readAt(this.index.placeIn(root, cid.multihash.digest), cid) };
  }

  async #readAt(place: KeptPlace | null, cid: CID): Promise<Uint8Array | null> {
    return place && await this.#read(place, cid, new Leisure());
  }

  /**
   * The file `cid`, verified, as the fetcher reads it; null when it is not kept, or not all of it.
   * @throws KhachapuriError `invalid_input` when it is no file, or larger than `maxBytes`
   */
  async readFile(cid: CID, maxBytes: number): Promise<Uint8Array | null> {
    if (!this.has(cid)) return null;
    return await unlessNotKept(null, async () => {
      const read = await readBoundedFile(cid, this.#blocks(), maxBytes);
      if (read.kind === "too large") throw tooLarge(read.fileBytes, maxBytes);
      return read.file.bytes;
    });
  }

  /** The same into a sink. @returns false when it is not kept, or not all of it */
  async streamFile(cid: CID, maxBytes: number, sink: FileSink): Promise<boolean> {
    if (!this.has(cid)) return false;
    return await unlessNotKept(false, async () => {
      await streamUnixfsFile(cid, this.#blocks(), maxBytes, sink);
      return true;
    });
  }

  #blocks() {
    const leisure = new Leisure();
    return {
      get: async (wanted: CID) => {
        const place = this.index.placeOf(wanted.multihash.digest);
        const bytes = place && await this.#read(place, wanted, leisure);
        if (!bytes) throw new NotKept();
        return bytes;
      },
    };
  }

  /**
   * A part is whole and on disk: it is kept for its owner when this resolves, whatever ends this
   * process then.
   * @param at when it was last seen that it is to be kept, Unix ms
   */
  async add(
    part: PartName,
    bytes: number,
    places: readonly BlockPlace[],
    at = this.options.now(),
  ): Promise<void> {
    const { index } = this;
    const id = index.newId();
    let isUsed = false;
    try {
      await index.addBlocks(id, places);
      await this.#change(async () => {
        const known = index.find(part.root);
        if (known) {
          await this.files.removePart(part);
          return index.protect(known, part.owner, at);
        }
        await this.files.keep(part);
        const file = { id, root: part.root, bytes, diskBytes: diskBytesOf(bytes) };
        index.addRoot(file, part.owner, at);
        isUsed = true;
        this.#bytes += file.diskBytes;
        this.#count += 1;
      });
    } finally {
      if (!isUsed) await index.dropBlocks(id);
    }
  }

  /** A root that is here is kept for another owner, or longer. @returns false when it is not */
  async protect(root: CidText, owner: Address, at = this.options.now()): Promise<boolean> {
    return await this.#change(() => {
      const known = this.index.find(root);
      if (known) this.index.protect(known, owner, at);
      return Promise.resolve(known !== null);
    });
  }

  /** An owner's deployment uses these: what is kept for the owner and holds them stays with it. */
  noteUse(cids: readonly string[], use: Use): void {
    if (this.#isRetired) return;
    for (const cid of cids) {
      for (const kept of this.index.keptWith(parseCid(cid).multihash.digest, use.owner)) {
        this.index.noteUse(kept, use, this.options.now());
      }
    }
  }

  /**
   * An owner has it kept no more; what nobody has kept is removed. Whoever pushes it before has it
   * kept: it is another keeper then than was seen.
   */
  async release(keeper: Keeper): Promise<void> {
    await this.#change(async () => {
      const kept = this.index.find(keeper.root);
      if (!kept || kept.id !== keeper.id || !this.index.release(keeper)) return;
      await this.#gone(kept);
    });
  }

  async #gone({ id, root, diskBytes }: KeptRoot): Promise<void> {
    this.#bytes -= diskBytes;
    this.#count -= 1;
    await this.files.removeCar(root);
    await this.index.dropBlocks(id);
  }

  async #read(
    place: KeptPlace,
    cid: CID,
    leisure: Leisure,
  ): Promise<Uint8Array | null> {
    const { root, offset, length } = place;
    using file = await this.files.openCar(root);
    if (!file) return null;
    const bytes = await bytesAt(file, offset, length);
    const isContent = bytes.length === length &&
      await leisure.slice(length, () => isContentOf(cid, bytes));
    if (isContent) return bytes;
    await this.#forgetDamaged(place, cid);
    return null;
  }

  /** The disk gave other bytes than it was given: the rest of the file is not to be trusted. */
  async #forgetDamaged({ id, root }: KeptPlace, cid: CID): Promise<void> {
    await this.#change(async () => {
      const kept = this.index.find(root);
      // It may have gone meanwhile, and come back with its blocks elsewhere.
      if (kept?.id !== id) return;
      this.options.log.error("what was kept is damaged", { root, block: formatCid(cid) });
      this.index.forget(kept);
      await this.#gone(kept);
    });
  }

  #change<T>(work: () => Promise<T>): Promise<T> {
    const change = this.#lastChange.then(work);
    this.#lastChange = change.catch(() => {});
    return change;
  }
}

/** A block of a file is not kept here. */
class NotKept extends KhachapuriError {
  constructor() {
    super("not_found", "it is not kept here, or not all of it");
  }
}

async function unlessNotKept<T>(otherwise: T, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof NotKept) return otherwise;
    throw error;
  }
}

async function bytesAt(file: Deno.FsFile, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  await file.seek(offset, Deno.SeekMode.Start);
  let at = 0;
  while (at < length) {
    const came = await file.read(bytes.subarray(at));
    if (came === null) break;
    at += came;
  }
  return bytes.subarray(0, at);
}

/**
 * A file of the cache: a CAR that has each block once, in the order in which its reader asks for
 * them. So it is known where a leaf is before anything of it is read: two are read at a time, each
 * straight to its place, and of what stands there only the hash counts.
 */
import { blockKey, type CID, isContentOf } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import { fill } from "../file_bytes.ts";
import { Leisure } from "../leisure.ts";
import { mismatch, sectionHeadBytes } from "./car.ts";
import { CarFile, type CarSection } from "./car_file.ts";
import type { OpenedFile } from "./shelf.ts";
import type { BlockSource, Leaf } from "./unixfs.ts";

export class CachedFile implements BlockSource, AsyncDisposable {
  readonly #leisure = new Leisure();
  readonly #file: Deno.FsFile;
  readonly #car: CarFile;
  readonly #leaves: LeafReader[];
  /** Where blocks are that were got, for those that come again. */
  readonly #seen = new Map<string, CarSection>();
  /** Where the next section begins; null before the first. */
  #at: number | null = null;

  /** The file is closed with this. */
  constructor({ file, path }: OpenedFile) {
    this.#file = file;
    this.#car = new CarFile(file);
    // Fresh memory takes a thread longer than what is read into it (`deno task bench ipfs`).
    this.#leaves = [new LeafReader(path), new LeafReader(path)];
  }

  /** @throws KhachapuriError `invalid_input` when another block comes next, `ipfs_mismatch` */
  async get(cid: CID): Promise<Uint8Array> {
    return await this.#blockOf(await this.#next(cid));
  }

  /**
   * As `get`, for a reader that asks for each block as often as the file has it.
   * @throws KhachapuriError as `get`
   */
  async getAgain(cid: CID): Promise<Uint8Array> {
    const key = blockKey(cid);
    const known = this.#seen.get(key);
    if (known) return await this.#blockOf(known);
    const section = await this.#next(cid);
    const bytes = await this.#blockOf(section);
    this.#seen.set(key, section);
    return bytes;
  }

  async #next(cid: CID): Promise<CarSection> {
    this.#at ??= await this.#car.firstSection();
    const section = await this.#car.sectionAt(this.#at);
    if (section === null || blockKey(section.cid) !== blockKey(cid)) {
      throw new KhachapuriError("invalid_input", "not the block that comes next");
    }
    this.#at = section.offset + section.length;
    return section;
  }

  async #blockOf(section: CarSection): Promise<Uint8Array> {
    const { cid } = section;
    const bytes = await this.#leisure.slice(section.length, () => this.#car.blockOf(section));
    await this.#verify(cid, bytes);
    return bytes;
  }

  /** `verified` tells when the bytes are at their place, too. Only behind a node that was got. */
  getLeaf(cid: CID, place: Uint8Array): Promise<Leaf> {
    const offset = this.#at! + sectionHeadBytes(cid, place.length);
    this.#at = offset + place.length;
    const verified = this.#readLeaf(cid, offset, place);
    // Who reads on may come to await it later.
    verified.catch(() => {});
    return Promise.resolve({ bytes: place, verified });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#file.close();
    for (const reader of this.#leaves) await reader[Symbol.asyncDispose]();
  }

  async #readLeaf(cid: CID, offset: number, place: Uint8Array): Promise<void> {
    const reader = this.#leaves.shift()!;
    this.#leaves.push(reader);
    await this.#leisure.slice(place.length, () => reader.read(offset, place));
    await this.#verify(cid, place);
  }

  async #verify(cid: CID, bytes: Uint8Array): Promise<void> {
    const isContent = await this.#leisure.slice(bytes.length, () => isContentOf(cid, bytes));
    if (!isContent) throw mismatch(cid);
  }
}

/** Reads one leaf at a time, in the order in which they are asked for. */
class LeafReader implements AsyncDisposable {
  #file: Promise<Deno.FsFile> | null = null;
  #last: Promise<unknown> = Promise.resolve();

  constructor(private readonly path: string) {}

  /** What the file ends before stays as it is. */
  read(offset: number, place: Uint8Array): Promise<number> {
    this.#file ??= Deno.open(this.path);
    const reading = Promise.all([this.#file, this.#last]).then(([file]) => {
      file.seekSync(offset, Deno.SeekMode.Start); // which waits for nothing
      return fill(file, place);
    });
    this.#last = reading.catch(() => {});
    return reading;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last;
    await this.#file?.then((file) => file.close(), () => {});
  }
}

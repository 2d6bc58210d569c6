/** A file on its way into the cache: each of its verified blocks once, and any of them again. */
import { type Block, blockKey, type CID, isContentOf } from "../cid.ts";
import { carHeader, mismatch, sectionHead } from "./car.ts";
import { CarFile, type CarSection } from "./car_file.ts";
import { writeAll } from "../file_bytes.ts";
import { Leisure } from "../leisure.ts";
import type { ShelfPart } from "./shelf.ts";
import { type FileSink, streamUnixfsFile } from "./unixfs_stream.ts";

export class CachePart implements Disposable {
  readonly #car: CarFile;
  readonly #sections = new Map<string, CarSection>();
  #bytes = 0;
  #isClosed = false;

  constructor(private readonly part: ShelfPart, private readonly root: CID) {
    this.#car = new CarFile(part.file);
  }

  /** A block that was added; null for any other. */
  async get(cid: CID): Promise<Uint8Array | null> {
    const section = this.#sections.get(blockKey(cid));
    return section ? await this.#car.blockOf(section) : null;
  }

  async add({ cid, bytes }: Block): Promise<void> {
    if (this.#bytes === 0) await this.#write(carHeader(this.root));
    await this.#write(sectionHead({ cid, bytes }));
    this.#sections.set(blockKey(cid), { cid, offset: this.#bytes, length: bytes.length });
    await this.#write(bytes);
  }

  /** All of it is here: it stays, until it is judged. */
  keep(): Promise<void> {
    return this.part.keep();
  }

  /** The whole file into a sink, verified again. @throws KhachapuriError as `streamUnixfsFile` */
  async stream(maxBytes: number, sink: FileSink): Promise<void> {
    const leisure = new Leisure();
    const get = async (cid: CID) => {
      const bytes = await this.get(cid);
      const isContent = bytes !== null &&
        await leisure.slice(bytes.length, () => isContentOf(cid, bytes));
      if (!isContent) throw mismatch(cid);
      return bytes;
    };
    await streamUnixfsFile(this.root, { get }, maxBytes, sink);
  }

  /** Closes it; what was not kept is gone. */
  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.part[Symbol.dispose]();
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const { file } = this.part;
    file.seekSync(this.#bytes, Deno.SeekMode.Start); // which waits for nothing
    await writeAll(file, bytes);
    this.#bytes += bytes.length;
  }
}

/**
 * A folder of files that may hold so much: in whole blocks and in number, as a small file takes of
 * a file system what a larger one does. The least recently used go first.
 */
import { join } from "node:path";
import { writeAll } from "../file_bytes.ts";
import { Leisure } from "../leisure.ts";

export interface Shelf {
  /** The file, to be closed; null when it is not there. */
  open(name: string): Promise<OpenedFile | null>;
  /** Writes the file whole or not at all; nothing comes of it when it can't be written. */
  write(name: string, parts: Iterable<Uint8Array>): Promise<void>;
  /** Begins a file that is written as it comes. @throws where it can't be written */
  begin(name: string): Promise<ShelfPart>;
  /** Moves a file here. @returns whether `other` had it, and it is here now */
  takeFrom(other: Shelf, name: string): Promise<boolean>;
  /** Counts as a use, also for the next process. */
  touch(name: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** Gives a file up without removing it. @returns its path; null when it is not here */
  giveUp(name: string): string | null;
  /** In whole blocks. */
  bytes(): number;
}

export interface OpenedFile {
  file: Deno.FsFile;
  path: string;
}

/** A file that is being written; to be closed. */
export interface ShelfPart extends OpenedFile, Disposable {
  /** It is whole: it takes its name, and may still be read here. */
  keep(): Promise<void>;
}

export interface ShelfBounds {
  bytesMax: number;
  filesMax: number;
  /** Told of each file that has come, be it in the place of another of its name. */
  onKept?: (name: string) => void;
  /** Told of each that is here no more. */
  onGone?: (name: string) => void;
}

const TEMPORARY = ".part";
/** What the usual file systems give out at least. */
const BLOCK_BYTES = 4_096;

/** Opens (or makes) the folder, mode 0700; other files in it are left alone. */
export async function openShelf(
  dir: string,
  suffix: string,
  bounds: ShelfBounds,
): Promise<Shelf> {
  await Deno.mkdir(dir, { recursive: true, mode: 0o700 });
  await Deno.chmod(dir, 0o700);
  const shelf = new Folder(dir, suffix, bounds, await listFiles(dir, suffix));
  await shelf.makeRoom();
  return shelf;
}

class Folder implements Shelf {
  #total: number;

  constructor(
    private readonly dir: string,
    private readonly suffix: string,
    private readonly bounds: ShelfBounds,
    /** What each file takes, least recently used first. */
    private readonly files: Map<string, number>,
  ) {
    this.#total = [...files.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  bytes(): number {
    return this.#total;
  }

  async open(name: string) {
    const path = this.#path(name);
    try {
      return { file: await Deno.open(path), path };
    } catch {
      if (this.files.has(name)) this.#drop(name);
      return null;
    }
  }

  async touch(name: string): Promise<void> {
    const path = this.#path(name);
    const info = await Deno.stat(path).catch(() => null);
    if (!info) return;
    this.#remember(name, inBlocks(info.size));
    const now = new Date();
    await Deno.utime(path, now, now).catch(() => {});
  }

  async write(name: string, parts: Iterable<Uint8Array>): Promise<void> {
    const temporary = join(this.dir, `.${name}.${crypto.randomUUID()}${TEMPORARY}`);
    try {
      const size = await writeParts(temporary, parts, this.bounds.bytesMax);
      await Deno.rename(temporary, this.#path(name));
      await this.#came(name, inBlocks(size));
    } catch {
      await Deno.remove(temporary).catch(() => {});
    }
  }

  async begin(name: string): Promise<ShelfPart> {
    const path = join(this.dir, `.${name}.${crypto.randomUUID()}${TEMPORARY}`);
    const options = { read: true, write: true, createNew: true, mode: 0o600 };
    const file = await Deno.open(path, options);
    let isKept = false;
    return {
      file,
      path,
      keep: async () => {
        const { size } = await file.stat();
        await Deno.rename(path, this.#path(name));
        isKept = true;
        await this.#came(name, inBlocks(size));
      },
      [Symbol.dispose]() {
        file.close();
        if (!isKept) Deno.remove(path).catch(() => {});
      },
    };
  }

  async takeFrom(other: Shelf, name: string): Promise<boolean> {
    const path = other.giveUp(name);
    if (path === null) return false;
    try {
      await Deno.rename(path, this.#path(name));
      await this.touch(name);
      this.bounds.onKept?.(name);
      await this.makeRoom();
      return this.files.has(name);
    } catch {
      await Deno.remove(path).catch(() => {});
      return false;
    }
  }

  giveUp(name: string): string | null {
    if (!this.files.has(name)) return null;
    this.#drop(name);
    return this.#path(name);
  }

  async remove(name: string): Promise<void> {
    this.#drop(name);
    await Deno.remove(this.#path(name)).catch(() => {});
  }

  async makeRoom(): Promise<void> {
    const { bytesMax, filesMax } = this.bounds;
    for (const name of [...this.files.keys()]) {
      if (this.#total <= bytesMax && this.files.size <= filesMax) return;
      await this.remove(name);
    }
  }

  #path(name: string): string {
    return join(this.dir, name + this.suffix);
  }

  async #came(name: string, bytes: number): Promise<void> {
    this.#remember(name, bytes);
    this.bounds.onKept?.(name);
    await this.makeRoom();
  }

  #remember(name: string, bytes: number): void {
    this.#forget(name);
    this.files.set(name, bytes);
    this.#total += bytes;
  }

  #drop(name: string): void {
    this.#forget(name);
    this.bounds.onGone?.(name);
  }

  #forget(name: string): void {
    this.#total -= this.files.get(name) ?? 0;
    this.files.delete(name);
  }
}

/** @throws when it would be larger than `bytesMax` */
async function writeParts(
  path: string,
  parts: Iterable<Uint8Array>,
  bytesMax: number,
): Promise<number> {
  using file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
  const leisure = new Leisure();
  let size = 0;
  for (const part of parts) {
    size += part.length;
    if (inBlocks(size) > bytesMax) throw new Error("larger than the whole shelf");
    await leisure.slice(part.length, () => writeAll(file, part));
  }
  return size;
}

function inBlocks(bytes: number): number {
  return Math.ceil(Math.max(bytes, 1) / BLOCK_BYTES) * BLOCK_BYTES;
}

async function listFiles(dir: string, suffix: string): Promise<Map<string, number>> {
  const found: { name: string; bytes: number; usedMs: number }[] = [];
  for await (const { name, isFile } of Deno.readDir(dir)) {
    if (!isFile) continue;
    const path = join(dir, name);
    // Left by a process that died while writing. One that still writes just keeps nothing now.
    if (name.endsWith(TEMPORARY)) await Deno.remove(path).catch(() => {});
    if (!name.endsWith(suffix)) continue;
    const info = await Deno.stat(path).catch(() => null);
    if (!info) continue;
    const usedMs = info.mtime?.getTime() ?? 0;
    found.push({ name: name.slice(0, -suffix.length), bytes: inBlocks(info.size), usedMs });
  }
  found.sort((one, other) => one.usedMs - other.usedMs);
  return new Map(found.map(({ name, bytes }) => [name, bytes]));
}

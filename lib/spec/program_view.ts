/**
 * A program's files as they are looked at before it is started: unpacked in a folder, or in memory
 * as they will be packed. Paths are relative to the program's folder, with forward slashes.
 */
import { join } from "node:path";
import type { ProgramFile } from "./pack.ts";
import { LINKS_FOLLOWED } from "./program_links.ts";
import { foldersOf } from "./program_path.ts";

/** What a path leads to. */
export interface Looked {
  isFile: boolean;
  executable: boolean;
  /** Bytes. */
  size: number;
}

export interface ProgramView {
  /** What is there, behind all links; null: nothing. */
  look(path: string): Promise<Looked | null>;
  /** Whether something is there, if only a link to nothing. */
  has(path: string): Promise<boolean>;
  /** Names of the files beside the program's folders, sorted. */
  names(): Promise<string[]>;
  /** A file's bytes from `offset` on, as many as there are. */
  read(path: string, offset: number, bytes: number): Promise<Uint8Array>;
}

/** @param dir its links lead nowhere else */
export function unpackedView(dir: string): ProgramView {
  const look = async (path: string) => {
    const info = await Deno.stat(join(dir, path)).catch(() => null);
    // Whoever ends a path in a slash means a folder: Deno leaves it out where it checks paths.
    if (info === null || (path.endsWith("/") && !info.isDirectory)) return null;
    const { isFile, mode, size } = info;
    return { isFile, executable: ((mode ?? 0) & 0o111) !== 0, size };
  };
  return {
    look,
    async has(path) {
      if (path.endsWith("/")) return await look(path) !== null;
      return await Deno.lstat(join(dir, path)).then(() => true, () => false);
    },
    async names() {
      const entries = await Array.fromAsync(Deno.readDir(dir)).catch(() => []);
      return entries.filter(({ isFile }) => isFile).map(({ name }) => name).sort();
    },
    read: (path, offset, bytes) => readAt(join(dir, path), offset, bytes),
  };
}

async function readAt(path: string, offset: number, bytes: number): Promise<Uint8Array> {
  using file = await Deno.open(path);
  await file.seek(offset, Deno.SeekMode.Start);
  const buffer = new Uint8Array(bytes);
  let filled = 0;
  for (let got; filled < bytes && (got = await file.read(buffer.subarray(filled)));) filled += got;
  return buffer.subarray(0, filled);
}

/** @param files whose links lead nowhere else */
export function packedView(files: readonly ProgramFile[]): ProgramView {
  const tree = new Tree(files);
  const file = (path: string) => {
    const found = tree.at(path);
    return found === null || found === "folder" ? null : found;
  };
  return {
    look(path) {
      if (tree.at(path) === "folder") {
        return Promise.resolve({ isFile: false, executable: true, size: 0 });
      }
      const found = file(path);
      return Promise.resolve(
        found && { isFile: true, executable: found.executable, size: found.size },
      );
    },
    has: (path) => Promise.resolve(tree.has(path)),
    names: () =>
      Promise.resolve(
        files.filter(({ kind, path }) => kind === "file" && !path.includes("/"))
          .map(({ path }) => path).sort(),
      ),
    read: (path, offset, bytes) =>
      Promise.resolve(file(path)!.bytes.subarray(offset, offset + bytes)),
  };
}

/** Follows links as the kernel does. */
class Tree {
  readonly #entries: ReadonlyMap<string, ProgramFile>;
  readonly #folders: ReadonlySet<string>;

  constructor(files: readonly ProgramFile[]) {
    this.#entries = new Map(files.map((file) => [file.path, file]));
    this.#folders = new Set(["", ...foldersOf(files)]);
  }

  has(path: string): boolean {
    if (this.at(path) !== null) return true;
    const cut = path.lastIndexOf("/");
    const folder = this.#walk(path.slice(0, Math.max(0, cut)));
    if (folder === null) return false;
    const place = folder === "" ? path.slice(cut + 1) : `${folder}/${path.slice(cut + 1)}`;
    return this.#entries.has(place);
  }

  at(path: string): ProgramFile | "folder" | null {
    const place = this.#walk(path);
    if (place === null) return null;
    return this.#folders.has(place) ? "folder" : this.#entries.get(place) ?? null;
  }

  /** Where a path leads; null: to nothing. */
  #walk(path: string): string | null {
    const left = path.split("/");
    let [place, followed] = ["", 0];
    while (left.length > 0) {
      const name = left.shift()!;
      if (!this.#folders.has(place)) return null;
      if (name === "" || name === ".") continue;
      if (name === "..") {
        place = place.slice(0, Math.max(0, place.lastIndexOf("/")));
        continue;
      }
      const next = place === "" ? name : `${place}/${name}`;
      const link = this.#entries.get(next)?.link ?? null;
      if (link === null) place = next;
      else if (++followed > LINKS_FOLLOWED) return null;
      else left.unshift(...link.split("/"));
    }
    return place;
  }
}

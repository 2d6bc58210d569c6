/**
 * A program's folder as one file. Packing is deterministic: the same files with the same executable
 * bits, links and empty folders give the same bytes, and so the same cid, on every machine.
 */
import { type Zippable, type ZippableFile, zipSync } from "fflate";
import { join } from "node:path";
import { KhachapuriError } from "../errors.ts";
import {
  PROGRAM_ENTRIES_MAX,
  PROGRAM_UNPACKED_BYTES_MAX,
  PROGRAM_ZIP_BYTES_MAX,
} from "../limits.ts";
import { type Ignore, IGNORE_FILE, parseIgnore } from "./ignore.ts";
import { strayLink } from "./program_links.ts";
import { entryPath } from "./program_path.ts";
import { readZip } from "./zip_reader.ts";

const MODE_EXECUTABLE = 0o100755;
const MODE_PLAIN = 0o100644;
const MODE_LINK = 0o120777;
const MODE_FOLDER = 0o040755;
/** The host system that an entry's mode bits are read by: Unix. */
const OS_UNIX = 3;
/** fflate writes local time, so the date is a local one: the first that a zip can hold. */
const EPOCH = new Date(1980, 0, 1);

/** One entry of the zip that `packProgram` makes. */
export interface PackedEntry {
  /** Relative to the program's folder, with forward slashes. */
  path: string;
  /** Only folders with nothing in them have an entry. */
  kind: "file" | "folder" | "link";
  executable: boolean;
  /** Where a link leads; null for what is no link. */
  link: string | null;
  /** Bytes. */
  size: number;
}

/**
 * What of a program's folder is packed, sorted. Left out are version control's own `.git`,
 * `.khachapuriignore`, and what that names.
 * @throws KhachapuriError `invalid_program` for links that leave the folder, devices, what cannot
 *   be read, names that a zip can't carry safely, and beyond the bounds; `not_found` when there is
 *   no such folder
 */
export async function listProgram(dir: string): Promise<PackedEntry[]> {
  const entries = await new Listing(dir, await readIgnore(dir)).all();
  await assertLinks(entries);
  if (!entries.some(({ kind }) => kind === "file")) throw holdsNoFiles(dir, entries);
  const total = entries.reduce((sum, { size }) => sum + size, 0);
  if (total > PROGRAM_UNPACKED_BYTES_MAX) {
    const largest = entries.toSorted((a, b) => b.size - a.size)[0]!;
    const bound = `${dir} holds ${total} bytes, at most ${PROGRAM_UNPACKED_BYTES_MAX} are allowed`;
    throw invalid(bound, `the largest is ${largest.path}, ${largest.size} bytes`, LEAVE_OUT);
  }
  return entries.sort((a, b) => a.path < b.path ? -1 : 1);
}

function holdsNoFiles(dir: string, entries: readonly PackedEntry[]): KhachapuriError {
  const link = entries.find(({ kind }) => kind === "link");
  if (!link) return invalid(`${dir} holds no files`);
  const message = `${dir} holds no files, only links: ${link.path} -> ${link.link}`;
  return invalid(message, "put what it leads to into the program");
}

const LEAVE_OUT = `what is not needed can stay out: name it in ${IGNORE_FILE}`;

/** What a program's folder says is not packed. */
export async function readIgnore(dir: string): Promise<Ignore> {
  try {
    return parseIgnore(await Deno.readTextFile(join(dir, IGNORE_FILE)));
  } catch (error) {
    const isAbsent = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    if (!isAbsent) throw unreadable(IGNORE_FILE, error);
    return () => false;
  }
}

class Listing {
  readonly #entries: PackedEntry[] = [];

  constructor(private readonly dir: string, private readonly isIgnored: Ignore) {}

  async all(): Promise<PackedEntry[]> {
    await this.#folder("");
    return this.#entries;
  }

  async #folder(folder: string): Promise<void> {
    const before = this.#entries.length;
    for await (const item of readFolder(join(this.dir, folder), folder)) {
      if (folder === "" && (item.name === ".git" || item.name === IGNORE_FILE)) continue;
      const path = folder === "" ? item.name : `${folder}/${item.name}`;
      if (!this.isIgnored(path, item.isDirectory)) await this.#item(path, item);
    }
    const isEmpty = this.#entries.length === before;
    if (isEmpty && folder !== "") this.#add({ path: folder, kind: "folder" });
  }

  async #item(path: string, item: Deno.DirEntry): Promise<void> {
    if (entryPath(path) === null || path.includes("\ufffd")) {
      throw invalid(`${JSON.stringify(path)} is no name that every system can unpack`, LEAVE_OUT);
    }
    if (item.isDirectory) return await this.#folder(path);
    const at = join(this.dir, path);
    if (item.isSymlink) return this.#add({ path, kind: "link", link: await Deno.readLink(at) });
    if (!item.isFile) {
      throw invalid(`${path} is neither a file nor a folder nor a link`, LEAVE_OUT);
    }
    const { mode, size } = await Deno.lstat(at);
    this.#add({ path, kind: "file", executable: ((mode ?? 0) & 0o100) !== 0, size });
  }

  #add(entry: Pick<PackedEntry, "path" | "kind"> & Partial<PackedEntry>): void {
    this.#entries.push({ executable: false, link: null, size: 0, ...entry });
    if (this.#entries.length <= PROGRAM_ENTRIES_MAX) return;
    const hints = [LEAVE_OUT, "npm installs less with: npm ci --omit=dev"];
    throw invalid(`more than ${PROGRAM_ENTRIES_MAX} files`, ...hints);
  }
}

async function assertLinks(entries: readonly PackedEntry[]): Promise<void> {
  const stray = await strayLink(entries);
  if (!stray) return;
  throw invalid(
    `${stray.path} -> ${stray.link} ${stray.why}`,
    "put what it leads to into the program, with a relative link or as a copy (cp -rL),",
    `or leave the link out: name it in ${IGNORE_FILE}`,
    "a Python environment leads to its own machine: use pip install --target FOLDER instead",
  );
}

/** @param name relative to the program's folder */
async function* readFolder(path: string, name: string): AsyncIterable<Deno.DirEntry> {
  try {
    yield* Deno.readDir(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotADirectory) {
      throw invalid(`${path} is not a folder`, "give the folder that the program is in");
    }
    if (cause instanceof Deno.errors.PermissionDenied) throw unreadable(name, cause);
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new KhachapuriError("not_found", `no folder at ${path}`, { cause });
  }
}

/**
 * Packs a program folder.
 * @throws KhachapuriError as `listProgram`; `invalid_program` when the zip would be too large
 */
export async function packProgram(dir: string): Promise<Uint8Array<ArrayBuffer>> {
  // Without a prototype even a file called __proto__ is just a file.
  const tree: Zippable = Object.create(null);
  for (const entry of await listProgram(dir)) {
    tree[entry.kind === "folder" ? `${entry.path}/` : entry.path] = await zippable(dir, entry);
  }
  const zip = zipSync(tree, { level: 9, mtime: EPOCH, os: OS_UNIX });
  if (zip.length > PROGRAM_ZIP_BYTES_MAX) {
    const bound = `the zip has ${zip.length} bytes, at most ${PROGRAM_ZIP_BYTES_MAX} are allowed`;
    throw invalid(bound, LEAVE_OUT);
  }
  // Read back at once: case clashes and the like must fail here, not at a provider.
  await readZip(zip as Uint8Array<ArrayBuffer>);
  return zip as Uint8Array<ArrayBuffer>;
}

async function zippable(
  dir: string,
  { path, kind, link, executable }: PackedEntry,
): Promise<ZippableFile> {
  if (link !== null) {
    return [new TextEncoder().encode(link), { level: 0, attrs: MODE_LINK * 0x10000 }];
  }
  if (kind === "folder") return [new Uint8Array(), { level: 0, attrs: MODE_FOLDER * 0x10000 }];
  const attrs = (executable ? MODE_EXECUTABLE : MODE_PLAIN) * 0x10000;
  try {
    return [await Deno.readFile(join(dir, path)), { attrs }];
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** @param path relative to the program's folder */
export function unreadable(path: string, cause: unknown): KhachapuriError {
  const why = cause instanceof Deno.errors.PermissionDenied
    ? "you have no permission to read it"
    : String((cause as Error).message);
  return new KhachapuriError("invalid_program", `cannot read ${path}: ${why}`, {
    cause,
    hints: [LEAVE_OUT],
  });
}

function invalid(message: string, ...hints: string[]): KhachapuriError {
  return new KhachapuriError("invalid_program", message, { hints });
}

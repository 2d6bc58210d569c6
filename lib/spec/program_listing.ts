/** What of a program's folder is packed, found on disk. */
import { join } from "node:path";
import { KhachapuriError } from "../errors.ts";
import { PROGRAM_ENTRIES_MAX, PROGRAM_UNPACKED_BYTES_MAX } from "../limits.ts";
import { breathe } from "../slices.ts";
import { IGNORE_FILE, Ignores } from "./ignore.ts";
import { strayLink } from "./program_links.ts";
import { entryPath } from "./program_path.ts";

/** What `deploy` and others are to do in this folder, which is for its developer. */
export const FLAGS_FILE = "khachapuri.json";

/** What its developer can do about nearly everything that can't be packed. */
export const LEAVE_OUT = `what is not needed can stay out: name it in ${IGNORE_FILE}`;

/** Others have their turn after so many entries. */
const SLICE_ENTRIES = 512;

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

export interface ProgramListing {
  /** Sorted by their paths. */
  readonly entries: PackedEntry[];
  /** Paths of what stays out without its developer having said so (left_out.ts), sorted. */
  readonly leftOut: readonly string[];
}

/**
 * What of a program's folder is packed, sorted. Left out are `.khachapuriignore` and what that
 * names, `khachapuri.json`, and what nobody wants published (left_out.ts).
 * @throws KhachapuriError as `readListing`
 */
export async function listProgram(dir: string): Promise<PackedEntry[]> {
  return (await readListing(dir)).entries;
}

/**
 * As `listProgram`, with what is left out.
 * @throws KhachapuriError `invalid_program` for links that leave the folder, devices, what cannot
 *   be read, names that a zip can't carry safely, and beyond the bounds; `not_found` when there is
 *   no such folder
 */
export async function readListing(dir: string): Promise<ProgramListing> {
  const listing = new Listing(dir);
  await listing.folder("", Ignores.usual);
  const { entries, leftOut } = listing;
  await assertLinks(entries);
  if (!entries.some(({ kind }) => kind === "file")) throw holdsNoFiles(dir, entries);
  const total = entries.reduce((sum, { size }) => sum + size, 0);
  if (total > PROGRAM_UNPACKED_BYTES_MAX) {
    const largest = entries.toSorted((a, b) => b.size - a.size)[0]!;
    const bound = `${dir} holds ${total} bytes, at most ${PROGRAM_UNPACKED_BYTES_MAX} are allowed`;
    throw invalid(bound, `the largest is ${largest.path}, ${largest.size} bytes`, LEAVE_OUT);
  }
  return { entries: entries.sort((a, b) => a.path < b.path ? -1 : 1), leftOut: leftOut.sort() };
}

function holdsNoFiles(dir: string, entries: readonly PackedEntry[]): KhachapuriError {
  const link = entries.find(({ kind }) => kind === "link");
  if (!link) return invalid(`${dir} holds no files`);
  const message = `${dir} holds no files, only links: ${link.path} -> ${link.link}`;
  return invalid(message, "put what it leads to into the program");
}

/**
 * With the rules of one folder of a program's, as it says them now.
 * @param folder relative to the program's; "" for that itself
 */
export function withOwnRules(rules: Ignores, dir: string, folder: string): Ignores {
  const path = join(folder, IGNORE_FILE);
  try {
    return rules.with(folder, Deno.readTextFileSync(join(dir, path)));
  } catch (error) {
    const isAbsent = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    if (!isAbsent) throw unreadable(path, error);
    return rules;
  }
}

class Listing {
  readonly entries: PackedEntry[] = [];
  readonly leftOut: string[] = [];
  #sinceBreath = 0;
  /** Files, links and folders so far. */
  #places = 0;

  constructor(private readonly dir: string) {}

  /** @param above the rules of the folders above */
  async folder(folder: string, above: Ignores): Promise<void> {
    const before = this.entries.length;
    const items = readFolder(join(this.dir, folder), folder);
    const hasRules = items.some(({ name }) => name === IGNORE_FILE);
    const rules = hasRules ? withOwnRules(above, this.dir, folder) : above;
    for (const item of items) {
      if (item.name === IGNORE_FILE || (folder === "" && item.name === FLAGS_FILE)) continue;
      const path = folder === "" ? item.name : `${folder}/${item.name}`;
      if (rules.isOut(path, item.isDirectory)) {
        if (rules.isLeftOut(path, item.isDirectory)) this.leftOut.push(path);
        continue;
      }
      assertPath(path);
      if (item.isDirectory) await this.folder(path, rules);
      else this.#item(path, item);
      if (++this.#sinceBreath % SLICE_ENTRIES === 0) await breathe();
    }
    if (folder === "") return;
    if (this.entries.length === before) this.#add({ path: folder, kind: "folder" });
    else this.#count();
  }

  #item(path: string, item: Deno.DirEntry): void {
    const at = join(this.dir, path);
    if (item.isSymlink) return this.#add({ path, kind: "link", link: Deno.readLinkSync(at) });
    if (!item.isFile) {
      throw invalid(`${path} is neither a file nor a folder nor a link`, LEAVE_OUT);
    }
    const { mode, size } = Deno.lstatSync(at);
    this.#add({ path, kind: "file", executable: ((mode ?? 0) & 0o100) !== 0, size });
  }

  #add(entry: Pick<PackedEntry, "path" | "kind"> & Partial<PackedEntry>): void {
    this.entries.push({ executable: false, link: null, size: 0, ...entry });
    this.#count();
  }

  /** Whatever takes a place on a disk, once it is unpacked. */
  #count(): void {
    if (++this.#places <= PROGRAM_ENTRIES_MAX) return;
    const hints = [LEAVE_OUT, "npm installs less with: npm ci --omit=dev"];
    throw invalid(`more than ${PROGRAM_ENTRIES_MAX} files and folders`, ...hints);
  }
}

function assertPath(path: string): void {
  if (entryPath(path) !== null && !path.includes("\ufffd")) return;
  throw invalid(`${JSON.stringify(path)} is no name that every system can unpack`, LEAVE_OUT);
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
function readFolder(path: string, name: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(path)];
  } catch (cause) {
    if (cause instanceof Deno.errors.NotADirectory) {
      throw invalid(`${path} is not a folder`, "give the folder that the program is in");
    }
    if (cause instanceof Deno.errors.PermissionDenied) throw unreadable(name, cause);
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new KhachapuriError("not_found", `no folder at ${path}`, { cause });
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

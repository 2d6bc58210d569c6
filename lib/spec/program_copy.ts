/**
 * A program's folder as a provider would unpack it, without the zip between: for its developer, who
 * changes one file and waits for it.
 */
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { inSlices } from "../slices.ts";
import { listProgram, type PackedEntry, unreadable } from "./program_listing.ts";
import { foldersOf } from "./program_path.ts";
import { assertTree } from "./zip_reader.ts";

/** A file that changed so shortly before it was looked at may have changed again since, ms. */
const SETTLED_MS = 50;
/** The grain of the time of a file's last change, ms: Deno tells it in whole seconds. */
const CHANGED_GRAIN_MS = 1_000;

/** What was copied, by path. */
export interface ProgramCopy {
  readonly dir: string;
  readonly entries: ReadonlyMap<string, Copied>;
}

interface Copied extends PackedEntry {
  /** By what a file is known to be the same without reading it; null: by nothing. */
  readonly state: string | null;
}

/**
 * Copies what would be packed of `from` into `to`, which comes into being. Files that have not
 * changed since `before` was copied are linked to its own, which nobody writes to.
 * @returns null when nothing has changed: there is no `to` then
 * @throws KhachapuriError as `packProgram`, but for the size of the zip
 */
export async function copyProgram(
  from: string,
  to: string,
  before: ProgramCopy | null,
): Promise<ProgramCopy | null> {
  const listed = await listProgram(from);
  await assertTree(listed);
  const entries = new Map<string, Copied>();
  const unchanged = new Set<string>();
  await inSlices(listed, (entry) => {
    const copied = { ...entry, state: entry.kind === "file" ? stateOf(from, entry) : null };
    entries.set(entry.path, copied);
    if (before !== null && isUnchanged(from, before, copied)) unchanged.add(entry.path);
  });
  if (unchanged.size === entries.size && unchanged.size === before?.entries.size) return null;
  await inSlices(["", ...foldersOf(listed)], (folder) => makeFolder(join(to, folder)));
  await inSlices(listed, (entry) => {
    const at = join(to, entry.path);
    if (entry.link !== null) Deno.symlinkSync(entry.link, at);
    if (entry.kind !== "file") return;
    if (unchanged.has(entry.path)) Deno.linkSync(join(before!.dir, entry.path), at);
    else copyFile(join(from, entry.path), at, entry);
  });
  return { dir: to, entries };
}

function stateOf(dir: string, { path }: PackedEntry): string | null {
  try {
    const { ino, size, mtime, ctime } = Deno.lstatSync(join(dir, path));
    if (mtime === null || ctime === null) return null;
    const isSettled = Date.now() - ctime.getTime() > CHANGED_GRAIN_MS + SETTLED_MS;
    return isSettled ? `${ino} ${size} ${mtime.getTime()} ${ctime.getTime()}` : null;
  } catch (error) {
    throw unreadable(path, error);
  }
}

function isUnchanged(from: string, { dir, entries }: ProgramCopy, now: Copied): boolean {
  const before = entries.get(now.path);
  if (before?.kind !== now.kind) return false;
  if (now.kind !== "file") return before.link === now.link;
  if (before.executable !== now.executable || before.size !== now.size) return false;
  if (now.state !== null && before.state === now.state) return true;
  return sameBytes(join(from, now.path), join(dir, now.path), now);
}

function sameBytes(one: string, other: string, { path }: PackedEntry): boolean {
  try {
    return Buffer.from(Deno.readFileSync(one).buffer).equals(Deno.readFileSync(other));
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** Folders get their mode by chmod: the process's umask must not decide who can run a program. */
function makeFolder(path: string): void {
  Deno.mkdirSync(path);
  Deno.chmodSync(path, 0o755);
}

function copyFile(from: string, to: string, { path, executable }: PackedEntry): void {
  try {
    Deno.copyFileSync(from, to);
  } catch (error) {
    throw unreadable(path, error);
  }
  Deno.chmodSync(to, executable ? 0o755 : 0o644);
}

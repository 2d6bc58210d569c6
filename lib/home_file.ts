/**
 * The files of a home (`permits.json`, `deployments.json`, `config.json`, key files). A file is
 * placed whole: whoever reads it, or looks after a crash, finds the old content or the new one.
 */
import { dirname } from "node:path";
import {
  fileError,
  isMissing,
  isTaken,
  makeFolders,
  named,
  syncFolder,
  withoutMark,
} from "./files.ts";
import { parseJson } from "./shape.ts";

/** How a file's content is written as JSON. */
export interface HomeFileFormat<Content> {
  /** The content of a file that does not exist yet. */
  empty: Content;
  /**
   * @param path of the file, for messages
   * @throws KhachapuriError `invalid_config` that names `path`
   */
  parse(json: unknown, path: string): Content;
  /** What `parse` reads back. */
  toJson(content: Content): unknown;
}

/** One JSON file, readable by its user alone. */
export interface HomeFile<Content> {
  /** @throws KhachapuriError `invalid_config` that names the file, when it is damaged */
  read(): Promise<Content>;
  /**
   * Replaces the content by what `next` makes of it; when `next` returns its argument, nothing is
   * written. Writers of all processes wait for each other (flock on `<path>.lock`), so that none
   * undoes what another has just written.
   * @throws KhachapuriError `invalid_config` when the file is damaged, or would be
   */
  change(next: (content: Content) => Content): Promise<void>;
}

/** Mode of what only its user may read. */
const PRIVATE = 0o600;

/** The file at `path`; nothing is read or made yet. */
export function openHomeFile<Content>(
  path: string,
  format: HomeFileFormat<Content>,
): HomeFile<Content> {
  async function read(): Promise<Content> {
    const json = await readJsonFile(path);
    return json === undefined ? format.empty : format.parse(json, path);
  }
  return {
    read,
    async change(next) {
      await makeFolder(path);
      const lockPath = `${path}.lock`;
      const opened = Deno.open(lockPath, { create: true, write: true, mode: PRIVATE });
      using lock = await named(lockPath, "locked", opened);
      await named(lockPath, "locked", lock.lock(true));
      const content = await read();
      const changed = next(content);
      if (changed === content) return;
      const json = format.toJson(changed);
      // Checked before it is written: a file that can't be read again would stop every command.
      format.parse(json, path);
      await replaceJsonFile(path, json, PRIVATE);
    },
  };
}

/**
 * The JSON in a file; undefined when there is no file.
 * @throws KhachapuriError `invalid_config` when it is not JSON; `access_denied`, `file_unusable`
 */
export async function readJsonFile(path: string): Promise<unknown> {
  try {
    return parseJson(withoutMark(await Deno.readTextFile(path)), path, "invalid_config");
  } catch (error) {
    if (isMissing(error) && !await isLink(path)) return undefined;
    throw await fileError(error, path, "read");
  }
}

/**
 * Puts a JSON file in the place of another, or of none.
 * @param mode less what the umask takes away
 */
export function replaceJsonFile(path: string, json: unknown, mode: number): Promise<void> {
  return placeFile(path, bytesOf(json), mode, Deno.rename);
}

/**
 * Makes a JSON file that its user alone may read.
 * @throws Deno.errors.AlreadyExists when `path` is taken; what is there stays
 */
export function createPrivateJsonFile(path: string, json: unknown): Promise<void> {
  return createPrivateFile(path, bytesOf(json));
}

/**
 * Makes a file that its user alone may read.
 * @throws Deno.errors.AlreadyExists when `path` is taken; what is there stays
 */
export function createPrivateFile(path: string, bytes: Uint8Array): Promise<void> {
  return placeFile(path, bytes, PRIVATE, Deno.link);
}

/** Puts a file that its user alone may read in the place of another, or of none. */
export function replacePrivateFile(path: string, bytes: Uint8Array): Promise<void> {
  return placeFile(path, bytes, PRIVATE, Deno.rename);
}

function bytesOf(json: unknown): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(json, null, 2)}\n`);
}

/**
 * Writes beside `path` and gives the file its name when its bytes are on disk; the name is on disk,
 * too, when this resolves.
 */
async function placeFile(
  path: string,
  bytes: Uint8Array,
  mode: number,
  place: (from: string, to: string) => Promise<void>,
): Promise<void> {
  await makeFolder(path);
  const partial = `${path}.${crypto.randomUUID()}`;
  try {
    await Deno.writeFile(partial, bytes, { createNew: true, mode });
    await syncFile(partial);
    await place(partial, path);
    await syncFolder(dirname(path));
  } catch (error) {
    throw isTaken(error) ? error : await fileError(error, path, "written");
  } finally {
    // After a rename it is gone already.
    await Deno.remove(partial).catch(() => {});
  }
}

async function syncFile(path: string): Promise<void> {
  using file = await Deno.open(path, { write: true });
  await file.sync();
}

async function makeFolder(path: string): Promise<void> {
  await makeFolders(dirname(path), 0o700);
}

/** A link to nothing is no file that is still to be made. */
function isLink(path: string): Promise<boolean> {
  return Deno.lstat(path).then(({ isSymlink }) => isSymlink, () => false);
}

/**
 * A program as one file. Packing is deterministic: the same files with the same executable bits
 * give the same bytes, and so the same cid, on every machine.
 */
import { type Zippable, zipSync } from "fflate";
import { join } from "node:path";
import { KhachapuriError } from "../errors.ts";
import {
  PROGRAM_ENTRIES_MAX,
  PROGRAM_UNPACKED_BYTES_MAX,
  PROGRAM_ZIP_BYTES_MAX,
} from "../limits.ts";
import { entryPath } from "./program_path.ts";
import { readZip } from "./zip_reader.ts";

const MODE_EXECUTABLE = 0o100755;
const MODE_PLAIN = 0o100644;
/** The host system that an entry's mode bits are read by: Unix. */
const OS_UNIX = 3;
/** fflate writes local time, so the date is a local one: the first that a zip can hold. */
const EPOCH = new Date(1980, 0, 1);

/** One file that `packProgram` would take. */
export interface ProgramFile {
  /** Relative to the program's folder, with forward slashes. */
  path: string;
  executable: boolean;
  /** Bytes. */
  size: number;
}

/**
 * The files of a program folder, sorted; version control's own folder `.git` is left out, and so
 * are empty folders.
 * @throws KhachapuriError `invalid_program` for symlinks, devices, names that a zip can't carry
 *   safely, and beyond the bounds; `not_found` when there is no such folder
 */
export async function listProgram(dir: string): Promise<ProgramFile[]> {
  const files: ProgramFile[] = [];
  await listFolder(dir, "", files);
  if (files.length === 0) throw new KhachapuriError("invalid_program", `${dir} holds no files`);
  const total = files.reduce((sum, file) => sum + file.size, 0);
  if (total > PROGRAM_UNPACKED_BYTES_MAX) {
    throw new KhachapuriError(
      "invalid_program",
      `${dir} holds ${total} bytes, at most ${PROGRAM_UNPACKED_BYTES_MAX} are allowed`,
    );
  }
  return files.sort((a, b) => a.path < b.path ? -1 : 1);
}

async function listFolder(root: string, folder: string, files: ProgramFile[]): Promise<void> {
  for await (const item of readFolder(join(root, folder))) {
    if (item.name === ".git" && folder === "") continue;
    const path = folder === "" ? item.name : `${folder}/${item.name}`;
    if (entryPath(path) === null) {
      throw new KhachapuriError(
        "invalid_program",
        `${JSON.stringify(path)} is no name that every system can unpack`,
      );
    }
    if (item.isDirectory) {
      await listFolder(root, path, files);
      continue;
    }
    if (!item.isFile) {
      const kind = item.isSymlink ? "a symlink" : "no regular file";
      throw new KhachapuriError("invalid_program", `${path} is ${kind}; a program has none`, {
        hints: ["replace it by what it points to"],
      });
    }
    const info = await Deno.lstat(join(root, path));
    files.push({ path, executable: ((info.mode ?? 0) & 0o100) !== 0, size: info.size });
    if (files.length > PROGRAM_ENTRIES_MAX) {
      throw new KhachapuriError("invalid_program", `more than ${PROGRAM_ENTRIES_MAX} files`);
    }
  }
}

async function* readFolder(path: string): AsyncIterable<Deno.DirEntry> {
  try {
    yield* Deno.readDir(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotADirectory) {
      throw new KhachapuriError("invalid_program", `${path} is not a folder`, {
        cause,
        hints: ["give the folder that the program is in"],
      });
    }
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new KhachapuriError("not_found", `no folder at ${path}`, { cause });
  }
}

/**
 * Packs a program folder.
 * @throws KhachapuriError as `listProgram`; `invalid_program` when the zip would be too large
 */
export async function packProgram(dir: string): Promise<Uint8Array<ArrayBuffer>> {
  const files = await listProgram(dir);
  // Without a prototype even a file called __proto__ is just a file.
  const tree: Zippable = Object.create(null);
  for (const file of files) {
    const attrs = (file.executable ? MODE_EXECUTABLE : MODE_PLAIN) * 0x10000;
    tree[file.path] = [await Deno.readFile(join(dir, file.path)), { attrs }];
  }
  const zip = zipSync(tree, { level: 9, mtime: EPOCH, os: OS_UNIX });
  if (zip.length > PROGRAM_ZIP_BYTES_MAX) {
    throw new KhachapuriError(
      "invalid_program",
      `the zip has ${zip.length} bytes, at most ${PROGRAM_ZIP_BYTES_MAX} are allowed`,
    );
  }
  // Read back at once: case clashes and the like must fail here, not at a provider.
  await readZip(zip as Uint8Array<ArrayBuffer>);
  return zip as Uint8Array<ArrayBuffer>;
}

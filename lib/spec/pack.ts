/**
 * A program's folder as one file. Packing is deterministic: the same files with the same executable
 * bits, links and empty folders give the same bytes, and so the same cid, on every machine.
 */
import { deflateSync, type Zippable, type ZippableFile, zipSync } from "fflate";
import { join } from "node:path";
import { KhachapuriError } from "../errors.ts";
import { PROGRAM_ZIP_BYTES_MAX } from "../limits.ts";
import { inSlices } from "../slices.ts";
import { LEAVE_OUT, listProgram, type PackedEntry, unreadable } from "./program_listing.ts";
import { readZip } from "./zip_reader.ts";

const MODE_EXECUTABLE = 0o100755;
const MODE_PLAIN = 0o100644;
const MODE_LINK = 0o120777;
const MODE_FOLDER = 0o040755;
/** The host system that an entry's mode bits are read by: Unix. */
const OS_UNIX = 3;
/** fflate writes local time, so the date is a local one: the first that a zip can hold. */
const EPOCH = new Date(1980, 0, 1);

/** From this size on samples of a file say whether it is deflated. */
const SAMPLED_BYTES = 1024 * 1024;
/** Of each piece of a large file the beginning is such a sample. */
const PIECE_BYTES = 64 * 1024;
const SAMPLE_BYTES = 4 * 1024;

/** An entry with what it holds. */
export interface ProgramFile extends PackedEntry {
  /** Of a link where it leads, of a folder nothing. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Packs a program folder.
 * @throws KhachapuriError as `listProgram`; `invalid_program` when the zip would be too large
 */
export async function packProgram(dir: string): Promise<Uint8Array<ArrayBuffer>> {
  return await zipProgram(await readProgram(dir, await listProgram(dir)));
}

/**
 * What was listed, read into memory, which the listing's bounds are bounds of.
 * @throws KhachapuriError `invalid_program` for what can't be read, or has grown since
 */
export async function readProgram(
  dir: string,
  entries: readonly PackedEntry[],
): Promise<ProgramFile[]> {
  const files: ProgramFile[] = [];
  await inSlices(entries, (entry) => files.push({ ...entry, bytes: bytesOf(dir, entry) }));
  return files;
}

function bytesOf(dir: string, { path, kind, link, size }: PackedEntry): Uint8Array<ArrayBuffer> {
  if (link !== null) return new TextEncoder().encode(link);
  if (kind === "folder") return new Uint8Array();
  const bytes = readFile(dir, path);
  if (bytes.length === size) return bytes;
  throw new KhachapuriError("invalid_program", `${path} changes while it is packed`, {
    hints: ["let whatever writes to it end first", LEAVE_OUT],
  });
}

function readFile(dir: string, path: string): Uint8Array<ArrayBuffer> {
  try {
    return Deno.readFileSync(join(dir, path));
  } catch (error) {
    throw unreadable(path, error);
  }
}

/**
 * The zip of a program.
 * @param files in the order of their paths
 * @throws KhachapuriError `invalid_program` when it would be too large, or names clash
 */
export async function zipProgram(files: readonly ProgramFile[]): Promise<Uint8Array<ArrayBuffer>> {
  // Without a prototype even a file called __proto__ is just a file.
  const tree: Zippable = Object.create(null);
  for (const file of files) {
    tree[file.kind === "folder" ? `${file.path}/` : file.path] = zippable(file);
  }
  const zip = zipSync(tree, { level: 9, mtime: EPOCH, os: OS_UNIX });
  if (zip.length > PROGRAM_ZIP_BYTES_MAX) {
    const bound = `the zip has ${zip.length} bytes, at most ${PROGRAM_ZIP_BYTES_MAX} are allowed`;
    throw new KhachapuriError("invalid_program", bound, { hints: [LEAVE_OUT] });
  }
  // Read back at once: case clashes and the like must fail here, not at a provider.
  await readZip(zip as Uint8Array<ArrayBuffer>);
  return zip as Uint8Array<ArrayBuffer>;
}

function zippable({ kind, executable, bytes }: ProgramFile): ZippableFile {
  if (kind === "link") return [bytes, { level: 0, attrs: MODE_LINK * 0x10000 }];
  if (kind === "folder") return [bytes, { level: 0, attrs: MODE_FOLDER * 0x10000 }];
  const attrs = (executable ? MODE_EXECUTABLE : MODE_PLAIN) * 0x10000;
  return [bytes, isShrinking(bytes) ? { attrs } : { attrs, level: 0 }];
}

/**
 * Whether a file is worth deflating. Large ones that are compressed already would take a deploy
 * longer than all else of the packing, to become no smaller; where only a hundredth of one shrinks
 * it is deflated all the same. The bytes alone decide, as the cid must be the same everywhere.
 */
function isShrinking(bytes: Uint8Array): boolean {
  if (bytes.length < SAMPLED_BYTES) return true;
  const pieces = Math.floor(bytes.length / PIECE_BYTES);
  const samples = new Uint8Array(pieces * SAMPLE_BYTES);
  for (let piece = 0; piece < pieces; piece++) {
    const at = piece * PIECE_BYTES;
    samples.set(bytes.subarray(at, at + SAMPLE_BYTES), piece * SAMPLE_BYTES);
  }
  return deflateSync(samples).length < samples.length;
}

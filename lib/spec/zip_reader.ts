/**
 * A strict reader of the zip format (PKWARE APPNOTE 6.3.10), for archives from strangers. It takes
 * the plain subset that every tool writes and refuses whatever two readers could see differently:
 * the central directory, the local headers and the bytes between them must agree, and every byte of
 * the file must belong to one of them.
 */
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import { KhachapuriError } from "../errors.ts";
import {
  PROGRAM_ENTRIES_MAX,
  PROGRAM_LINK_BYTES_MAX,
  PROGRAM_UNPACKED_BYTES_MAX,
  PROGRAM_ZIP_BYTES_MAX,
} from "../limits.ts";
import { inSlices } from "../slices.ts";
import { strayLink } from "./program_links.ts";
import { entryPath } from "./program_path.ts";

/** One file, folder or symbolic link of an archive, checked; its bytes are still packed. */
export interface ZipEntry {
  /** Relative, inside the archive's root, without a trailing slash. */
  path: string;
  kind: "file" | "folder" | "link";
  executable: boolean;
  /** Where a link leads, always inside the program; null for what is no link. */
  link: string | null;
  /** How `packed` is stored: as it is, or raw deflate (RFC 1951). */
  method: "stored" | "deflated";
  packed: Uint8Array<ArrayBuffer>;
  /** Bytes once unpacked, as declared. */
  size: number;
  crc32: number;
}

const END_BYTES = 22;
const END_SIGNATURE = 0x06054b50;
const CENTRAL_BYTES = 46;
const CENTRAL_SIGNATURE = 0x02014b50;
const LOCAL_BYTES = 30;
const LOCAL_SIGNATURE = 0x04034b50;
const DESCRIPTOR_SIGNATURE = 0x08074b50;

const FLAG_ENCRYPTED = 0x0001;
const FLAG_DESCRIPTOR = 0x0008;
const FLAG_UTF8 = 0x0800;
/** 0x0006: the level that the packer deflated with, which unpacking does not depend on. */
const FLAGS_KNOWN = FLAG_DESCRIPTOR | FLAG_UTF8 | 0x0006;

const METHODS: Readonly<Record<number, ZipEntry["method"]>> = { 0: "stored", 8: "deflated" };

const MODE_TYPE = 0o170000;
const MODE_FILE = 0o100000;
const MODE_FOLDER = 0o040000;
const MODE_LINK = 0o120000;
const MODE_SPECIAL = 0o007000;

const MODES = { file: MODE_FILE, folder: MODE_FOLDER, link: MODE_LINK } as const;

/** Extra fields that would make sizes or names mean something else: zip64, Unicode path, AES. */
const EXTRA_REFUSED: ReadonlySet<number> = new Set([0x0001, 0x7075, 0x9901, 0x0017]);

interface Central {
  flags: number;
  methodId: number;
  crc32: number;
  packedSize: number;
  size: number;
  name: Uint8Array;
  mode: number;
  offset: number;
}

interface Cursor {
  bytes: Uint8Array<ArrayBuffer>;
  view: DataView;
}

function malformed(reason: string): KhachapuriError {
  return new KhachapuriError("invalid_program", `program zip: ${reason}`);
}

/**
 * Lists an archive's entries, in the order of their bytes; in slices, as long names without number
 * would keep the event loop for half a second.
 * @throws KhachapuriError `invalid_program` that names what is wrong
 */
export async function readZip(zip: Uint8Array<ArrayBuffer>): Promise<ZipEntry[]> {
  if (zip.length > PROGRAM_ZIP_BYTES_MAX) {
    throw malformed(`larger than ${PROGRAM_ZIP_BYTES_MAX} bytes`);
  }
  const cursor = { bytes: zip, view: new DataView(zip.buffer, zip.byteOffset, zip.length) };
  const { count, start } = readEnd(cursor);
  const central = await readCentral(cursor, count, start);
  central.sort((a, b) => a.offset - b.offset);
  assertUnpackedSize(central);

  const entries: ZipEntry[] = [];
  let position = 0;
  await inSlices(central, (record) => {
    if (record.offset !== position) throw malformed("entries overlap or leave a gap");
    const { entry, end } = readLocal(cursor, record, start);
    entries.push(entry);
    position = end;
  });
  if (position !== start) throw malformed("bytes that belong to no entry");
  await assertTree(entries);
  const stray = await strayLink(entries);
  if (stray) throw malformed(`${JSON.stringify(stray.path)} ${stray.why}`);
  return entries;
}

/** The end record must be the file's last bytes: no comment, nothing after it. */
function readEnd({ view }: Cursor): { count: number; start: number } {
  const at = view.byteLength - END_BYTES;
  if (at < 0 || view.getUint32(at, true) !== END_SIGNATURE) {
    throw malformed("not a zip, cut off, or followed by other bytes");
  }
  if (view.getUint16(at + 20, true) !== 0) throw malformed("carries a comment");
  const disks = view.getUint16(at + 4, true) | view.getUint16(at + 6, true);
  const count = view.getUint16(at + 10, true);
  if (disks !== 0 || count !== view.getUint16(at + 8, true)) throw malformed("spans several disks");
  const size = view.getUint32(at + 12, true);
  const start = view.getUint32(at + 16, true);
  if (count === 0xffff || size === 0xffffffff || start === 0xffffffff) {
    throw malformed("zip64 is not taken");
  }
  if (count > PROGRAM_ENTRIES_MAX) throw malformed(`more than ${PROGRAM_ENTRIES_MAX} entries`);
  if (count === 0) throw malformed("empty");
  // Also what refuses a zip64 end record, which would stand between the two.
  if (start + size !== at) throw malformed("its directory is not where its end record says");
  return { count, start };
}

async function readCentral(
  { bytes, view }: Cursor,
  count: number,
  start: number,
): Promise<Central[]> {
  const end = view.byteLength - END_BYTES;
  const records: Central[] = [];
  let at = start;
  await inSlices(Array.from({ length: count }), () => {
    if (at + CENTRAL_BYTES > end || view.getUint32(at, true) !== CENTRAL_SIGNATURE) {
      throw malformed("its directory is damaged");
    }
    const nameEnd = at + CENTRAL_BYTES + view.getUint16(at + 28, true);
    const extraEnd = nameEnd + view.getUint16(at + 30, true);
    const next = extraEnd + view.getUint16(at + 32, true);
    if (next > end) throw malformed("its directory is damaged");
    if (view.getUint16(at + 34, true) !== 0) throw malformed("spans several disks");
    assertExtra(view, nameEnd, extraEnd);
    records.push({
      flags: view.getUint16(at + 8, true),
      methodId: view.getUint16(at + 10, true),
      crc32: view.getUint32(at + 16, true),
      packedSize: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true),
      name: bytes.subarray(at + CENTRAL_BYTES, nameEnd),
      mode: view.getUint16(at + 40, true),
      offset: view.getUint32(at + 42, true),
    });
    at = next;
  });
  if (at !== end) throw malformed("its directory holds more than its end record says");
  return records;
}

function assertExtra(view: DataView, start: number, end: number): void {
  let at = start;
  while (at < end) {
    const dataEnd = at + 4 <= end ? at + 4 + view.getUint16(at + 2, true) : Infinity;
    if (dataEnd > end) throw malformed("an extra field is damaged");
    const id = view.getUint16(at, true);
    if (EXTRA_REFUSED.has(id)) {
      throw malformed(`extra field 0x${id.toString(16).padStart(4, "0")} is not taken`);
    }
    at = dataEnd;
  }
}

function assertUnpackedSize(records: readonly Central[]): void {
  const total = records.reduce((sum, record) => sum + record.size, 0);
  if (total <= PROGRAM_UNPACKED_BYTES_MAX) return;
  throw malformed(`unpacks to ${total} bytes, at most ${PROGRAM_UNPACKED_BYTES_MAX} are allowed`);
}

function readLocal(
  { bytes, view }: Cursor,
  record: Central,
  limit: number,
): { entry: ZipEntry; end: number } {
  const at = record.offset;
  if (at + LOCAL_BYTES > limit || view.getUint32(at, true) !== LOCAL_SIGNATURE) {
    throw malformed("an entry is not where the directory says");
  }
  const nameEnd = at + LOCAL_BYTES + view.getUint16(at + 26, true);
  const dataStart = nameEnd + view.getUint16(at + 28, true);
  const dataEnd = dataStart + record.packedSize;
  if (dataEnd > limit) throw malformed("an entry is cut off");
  assertExtra(view, nameEnd, dataStart);
  const name = bytes.subarray(at + LOCAL_BYTES, nameEnd);
  const deferred = (record.flags & FLAG_DESCRIPTOR) !== 0;
  const same = sameBytes(name, record.name) &&
    view.getUint16(at + 6, true) === record.flags &&
    view.getUint16(at + 8, true) === record.methodId &&
    sameSizes(view, at + 14, record, deferred);
  if (!same) throw malformed("an entry and the directory disagree");
  const end = deferred ? readDescriptor(view, dataEnd, limit, record) : dataEnd;
  return { entry: checkedEntry(record, bytes.subarray(dataStart, dataEnd)), end };
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** crc, packed and unpacked size at `at`; zeros, too, where a descriptor follows the data. */
function sameSizes(view: DataView, at: number, record: Central, deferred: boolean): boolean {
  const expected = [record.crc32, record.packedSize, record.size];
  return expected.every((value, index) => {
    const found = view.getUint32(at + index * 4, true);
    return found === value || (deferred && found === 0);
  });
}

function readDescriptor(view: DataView, at: number, limit: number, record: Central): number {
  const signed = at + 4 <= limit && view.getUint32(at, true) === DESCRIPTOR_SIGNATURE;
  const start = signed ? at + 4 : at;
  if (start + 12 > limit || !sameSizes(view, start, record, false)) {
    throw malformed("an entry and its data descriptor disagree");
  }
  return start + 12;
}

function checkedEntry(record: Central, packed: Uint8Array<ArrayBuffer>): ZipEntry {
  const raw = decodeName(record);
  const quoted = JSON.stringify(raw.slice(0, 120));
  if ((record.flags & FLAG_ENCRYPTED) !== 0) throw malformed(`${quoted} is encrypted`);
  if ((record.flags & ~FLAGS_KNOWN) !== 0) throw malformed(`${quoted} has unknown flags`);
  const method = METHODS[record.methodId];
  if (!method) throw malformed(`${quoted} uses compression method ${record.methodId}`);

  const type = record.mode & MODE_TYPE;
  const kind = raw.endsWith("/") ? "folder" : type === MODE_LINK ? "link" : "file";
  const path = kind === "folder" ? raw.slice(0, -1) : raw;
  if (entryPath(path) === null) throw malformed(`${quoted} is not a path inside the program`);
  if (type !== 0 && type !== MODES[kind]) {
    throw malformed(`${quoted} is neither a file nor a folder nor a link`);
  }
  if ((record.mode & MODE_SPECIAL) !== 0) throw malformed(`${quoted} has setuid or sticky bits`);
  if (kind === "folder" && record.size !== 0) throw malformed(`${quoted} is a folder with bytes`);
  if (method === "stored" && record.size !== packed.length) {
    throw malformed(`${quoted} is stored with two sizes`);
  }
  const executable = (record.mode & 0o111) !== 0;
  const link = kind === "link" ? readLink(record, method, packed, quoted) : null;
  return { path, kind, executable, link, method, packed, size: record.size, crc32: record.crc32 };
}

/** Every tool stores links uncompressed, so that one is read before anything is unpacked. */
function readLink(
  record: Central,
  method: ZipEntry["method"],
  packed: Uint8Array,
  quoted: string,
): string {
  if (method !== "stored") throw malformed(`${quoted} is a link that is compressed`);
  if (crc32(packed) !== record.crc32) throw malformed(`${quoted} does not match its checksum`);
  if (packed.length > PROGRAM_LINK_BYTES_MAX) throw malformed(`${quoted} is too long a link`);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(packed);
  } catch {
    throw malformed(`${quoted} is a link to what is not UTF-8`);
  }
}

function decodeName(record: Central): string {
  if ((record.flags & FLAG_UTF8) === 0 && record.name.some((byte) => byte > 0x7e)) {
    throw malformed("a name is neither ASCII nor marked as UTF-8");
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(record.name);
  } catch {
    throw malformed("a name is not UTF-8");
  }
}

/**
 * No two entries may meet on any file system: not twice the same path, not a file or a link where
 * another needs a folder, not names that differ in case or Unicode form only. A folder that is only
 * implied counts as an entry: it is made like any other.
 * @throws KhachapuriError `invalid_program`
 */
export async function assertTree(
  entries: readonly Pick<ZipEntry, "path" | "kind">[],
): Promise<void> {
  const tree = new Tree();
  await inSlices(entries, ({ path, kind }) => tree.add(path, kind));
}

class Tree {
  /** What is there, by its folded path. */
  readonly #seen = new Map<string, string>();
  /** Folded paths of folders, by path: each is folded once, however much lies in it. */
  readonly #folders = new Map<string, string>([["", ""]]);

  add(path: string, kind: ZipEntry["kind"]): void {
    if (kind === "folder") this.#folder(path);
    else this.#place(path);
  }

  /** The folded path of a folder, which is there once, with all that it lies in. */
  #folder(path: string): string {
    const known = this.#folders.get(path);
    if (known !== undefined) return known;
    const folded = this.#place(path);
    this.#folders.set(path, folded);
    return folded;
  }

  #place(path: string): string {
    const cut = path.lastIndexOf("/");
    const folder = this.#folder(path.slice(0, Math.max(0, cut)));
    const folded = `${folder}/${path.slice(cut + 1).normalize("NFKC").toLowerCase()}`;
    const other = this.#seen.get(folded);
    if (other) throw malformed(`${JSON.stringify(path)} clashes with ${JSON.stringify(other)}`);
    if (this.#seen.size >= PROGRAM_ENTRIES_MAX) {
      throw malformed(`more than ${PROGRAM_ENTRIES_MAX} files and folders`);
    }
    this.#seen.set(folded, path);
    return folded;
  }
}

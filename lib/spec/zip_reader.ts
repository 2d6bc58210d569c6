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
  PROGRAM_PATH_BYTES_MAX,
  PROGRAM_UNPACKED_BYTES_MAX,
  PROGRAM_ZIP_BYTES_MAX,
} from "../limits.ts";
import { breathe, inSlices } from "../slices.ts";
import { strayLink } from "./program_links.ts";
import { entryPath } from "./program_path.ts";
import { bytesSource, piecesOf, type ZipSource } from "./zip_source.ts";

/** One file, folder or symbolic link of an archive, checked; its bytes are still packed in it. */
export interface ZipEntry {
  /** Relative, inside the archive's root, without a trailing slash. */
  path: string;
  kind: "file" | "folder" | "link";
  executable: boolean;
  /** Where a link leads, always inside the program; null for what is no link. */
  link: string | null;
  /** How its bytes are packed: as they are, or by raw deflate (RFC 1951). */
  method: "stored" | "deflated";
  /** Where in the archive, and how many there are. */
  packedAt: number;
  packedBytes: number;
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
/** With its signature, which it may lack. */
const DESCRIPTOR_BYTES_MOST = 16;

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
  nameAt: number;
  nameBytes: number;
  /** Null: too long to be kept, and to be a path. */
  name: Uint8Array<ArrayBuffer> | null;
  mode: number;
  offset: number;
}

/** A folder's path ends with a slash. */
const NAME_BYTES_KEPT = PROGRAM_PATH_BYTES_MAX + 1;

function malformed(reason: string): KhachapuriError {
  return new KhachapuriError("invalid_program", `program zip: ${reason}`);
}

/**
 * Lists an archive's entries, in the order of their bytes; in slices, as long names without number
 * would keep the event loop for half a second. Of an archive in a file no more than a window of it
 * and its short names are in memory.
 * @throws KhachapuriError `invalid_program` that names what is wrong
 */
export async function readZip(zip: Uint8Array<ArrayBuffer> | ZipSource): Promise<ZipEntry[]> {
  const source = "read" in zip ? zip : bytesSource(zip);
  if (source.bytes > PROGRAM_ZIP_BYTES_MAX) {
    throw malformed(`larger than ${PROGRAM_ZIP_BYTES_MAX} bytes`);
  }
  const { count, start } = await readEnd(source);
  const central = await readCentral(source, count, start);
  central.sort((a, b) => a.offset - b.offset);
  assertUnpackedSize(central);

  const entries: ZipEntry[] = [];
  let position = 0;
  await inSlices(central, async (record) => {
    if (record.offset !== position) throw malformed("entries overlap or leave a gap");
    const { entry, end } = await readLocal(source, record, start);
    entries.push(entry);
    position = end;
  });
  if (position !== start) throw malformed("bytes that belong to no entry");
  await assertTree(entries);
  const stray = await strayLink(entries);
  if (stray) throw malformed(`${JSON.stringify(stray.path)} ${stray.why}`);
  return entries;
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array<ArrayBuffer>): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

/** The end record must be the file's last bytes: no comment, nothing after it. */
async function readEnd(source: ZipSource): Promise<{ count: number; start: number }> {
  const at = source.bytes - END_BYTES;
  const view = viewOf(at < 0 ? new Uint8Array(4) : await source.read(at, END_BYTES));
  if (view.getUint32(0, true) !== END_SIGNATURE) {
    throw malformed("not a zip, cut off, or followed by other bytes");
  }
  if (view.getUint16(20, true) !== 0) throw malformed("carries a comment");
  const disks = view.getUint16(4, true) | view.getUint16(6, true);
  const count = view.getUint16(10, true);
  if (disks !== 0 || count !== view.getUint16(8, true)) throw malformed("spans several disks");
  const size = view.getUint32(12, true);
  const start = view.getUint32(16, true);
  if (count === 0xffff || size === 0xffffffff || start === 0xffffffff) {
    throw malformed("zip64 is not taken");
  }
  if (count > PROGRAM_ENTRIES_MAX) throw malformed(`more than ${PROGRAM_ENTRIES_MAX} entries`);
  if (count === 0) throw malformed("empty");
  // Also what refuses a zip64 end record, which would stand between the two.
  if (start + size !== at) throw malformed("its directory is not where its end record says");
  return { count, start };
}

async function readCentral(source: ZipSource, count: number, start: number): Promise<Central[]> {
  const end = source.bytes - END_BYTES;
  const records: Central[] = [];
  let at = start;
  await inSlices(Array.from({ length: count }), async () => {
    if (at + CENTRAL_BYTES > end) throw malformed("its directory is damaged");
    const view = viewOf(await source.read(at, CENTRAL_BYTES));
    if (view.getUint32(0, true) !== CENTRAL_SIGNATURE) throw malformed("its directory is damaged");
    const [nameAt, nameBytes] = [at + CENTRAL_BYTES, view.getUint16(28, true)];
    const extraAt = nameAt + nameBytes;
    const extraEnd = extraAt + view.getUint16(30, true);
    const next = extraEnd + view.getUint16(32, true);
    if (next > end) throw malformed("its directory is damaged");
    if (view.getUint16(34, true) !== 0) throw malformed("spans several disks");
    const isKept = nameBytes <= NAME_BYTES_KEPT;
    const name = isKept ? (await source.read(nameAt, nameBytes)).slice() : null;
    assertExtra(await source.read(extraAt, extraEnd - extraAt));
    records.push({
      flags: view.getUint16(8, true),
      methodId: view.getUint16(10, true),
      crc32: view.getUint32(16, true),
      packedSize: view.getUint32(20, true),
      size: view.getUint32(24, true),
      nameAt,
      nameBytes,
      name,
      mode: view.getUint16(40, true),
      offset: view.getUint32(42, true),
    });
    at = next;
  });
  if (at !== end) throw malformed("its directory holds more than its end record says");
  return records;
}

function assertExtra(extra: Uint8Array<ArrayBuffer>): void {
  const view = viewOf(extra);
  for (let at = 0; at < extra.length;) {
    const dataEnd = at + 4 <= extra.length ? at + 4 + view.getUint16(at + 2, true) : Infinity;
    if (dataEnd > extra.length) throw malformed("an extra field is damaged");
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

async function readLocal(
  source: ZipSource,
  record: Central,
  limit: number,
): Promise<{ entry: ZipEntry; end: number }> {
  const at = record.offset;
  const view = viewOf(
    at + LOCAL_BYTES > limit ? new Uint8Array(4) : await source.read(at, LOCAL_BYTES),
  );
  if (view.getUint32(0, true) !== LOCAL_SIGNATURE) {
    throw malformed("an entry is not where the directory says");
  }
  const nameBytes = view.getUint16(26, true);
  const extraBytes = view.getUint16(28, true);
  const dataStart = at + LOCAL_BYTES + nameBytes + extraBytes;
  const dataEnd = dataStart + record.packedSize;
  if (dataEnd > limit) throw malformed("an entry is cut off");
  const name = await source.read(at + LOCAL_BYTES, nameBytes);
  assertExtra(await source.read(dataStart - extraBytes, extraBytes));
  const listed = record.name ?? await source.read(record.nameAt, record.nameBytes);
  const deferred = (record.flags & FLAG_DESCRIPTOR) !== 0;
  const same = Buffer.compare(name, listed) === 0 &&
    view.getUint16(6, true) === record.flags &&
    view.getUint16(8, true) === record.methodId &&
    sameSizes(view, 14, record, deferred);
  if (!same) throw malformed("an entry and the directory disagree");
  const end = deferred ? await readDescriptor(source, dataEnd, limit, record) : dataEnd;
  return { entry: await checkedEntry(source, record, name, dataStart), end };
}

/** crc, packed and unpacked size at `at`; zeros, too, where a descriptor follows the data. */
function sameSizes(view: DataView, at: number, record: Central, deferred: boolean): boolean {
  const expected = [record.crc32, record.packedSize, record.size];
  return expected.every((value, index) => {
    const found = view.getUint32(at + index * 4, true);
    return found === value || (deferred && found === 0);
  });
}

async function readDescriptor(
  source: ZipSource,
  at: number,
  limit: number,
  record: Central,
): Promise<number> {
  const view = viewOf(await source.read(at, Math.min(DESCRIPTOR_BYTES_MOST, limit - at)));
  const isSigned = view.byteLength >= 4 && view.getUint32(0, true) === DESCRIPTOR_SIGNATURE;
  const start = isSigned ? 4 : 0;
  if (start + 12 > view.byteLength || !sameSizes(view, start, record, false)) {
    throw malformed("an entry and its data descriptor disagree");
  }
  return at + start + 12;
}

async function checkedEntry(
  source: ZipSource,
  record: Central,
  name: Uint8Array,
  packedAt: number,
): Promise<ZipEntry> {
  const raw = decodeName(record, name);
  const quoted = JSON.stringify(raw.slice(0, 120));
  if ((record.flags & FLAG_ENCRYPTED) !== 0) throw malformed(`${quoted} is encrypted`);
  if ((record.flags & ~FLAGS_KNOWN) !== 0) throw malformed(`${quoted} has unknown flags`);
  const method = METHODS[record.methodId];
  if (!method) throw malformed(`${quoted} uses compression method ${record.methodId}`);

  const type = record.mode & MODE_TYPE;
  const kind: ZipEntry["kind"] = raw.endsWith("/")
    ? "folder"
    : type === MODE_LINK
    ? "link"
    : "file";
  const path = kind === "folder" ? raw.slice(0, -1) : raw;
  if (entryPath(path) === null) throw malformed(`${quoted} is not a path inside the program`);
  if (type !== 0 && type !== MODES[kind]) {
    throw malformed(`${quoted} is neither a file nor a folder nor a link`);
  }
  if ((record.mode & MODE_SPECIAL) !== 0) throw malformed(`${quoted} has setuid or sticky bits`);
  if (kind === "folder" && record.size !== 0) throw malformed(`${quoted} is a folder with bytes`);
  const { packedSize: packedBytes, size, crc32 } = record;
  if (method === "stored" && size !== packedBytes) {
    throw malformed(`${quoted} is stored with two sizes`);
  }
  const executable = (record.mode & 0o111) !== 0;
  const entry = { path, kind, executable, link: null, method, packedAt, packedBytes, size, crc32 };
  return kind === "link" ? { ...entry, link: await readLink(source, entry, quoted) } : entry;
}

/** Every tool stores links uncompressed, so that one is read before anything is unpacked. */
async function readLink(
  source: ZipSource,
  { method, packedAt, packedBytes, crc32: declared }: Omit<ZipEntry, "link">,
  quoted: string,
): Promise<string> {
  if (method !== "stored") throw malformed(`${quoted} is a link that is compressed`);
  let [checksum, target] = [0, new Uint8Array()];
  for await (const piece of piecesOf(source, packedAt, packedBytes)) {
    if (target.length > 0) await breathe();
    target = piece;
    checksum = crc32(target, checksum);
  }
  if (checksum !== declared) throw malformed(`${quoted} does not match its checksum`);
  if (packedBytes > PROGRAM_LINK_BYTES_MAX) throw malformed(`${quoted} is too long a link`);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(target);
  } catch {
    throw malformed(`${quoted} is a link to what is not UTF-8`);
  }
}

function decodeName({ flags }: Central, name: Uint8Array): string {
  if ((flags & FLAG_UTF8) === 0 && name.some((byte) => byte > 0x7e)) {
    throw malformed("a name is neither ASCII nor marked as UTF-8");
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(name);
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

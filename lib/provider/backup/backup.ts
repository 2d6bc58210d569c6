/**
 * Copies a provider's machine into one file, also while it serves: each database as it is at one
 * moment, each file whole. What is charged after a database was copied is not in it, as in any
 * backup: whoever goes on from it loses that, and no payer is charged twice.
 */
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { type Config, requireProvider, resolveFromHome } from "../../config.ts";
import { archiveDir } from "../ledger/archive/schema.ts";
import { type ArchiveWriter, writeArchive } from "./archive.ts";
import { copyDatabase, isDatabase } from "./database_copy.ts";
import { BACKUP_VERSION, type Manifest, MANIFEST_NAME, type ManifestFile } from "./manifest.ts";
import {
  type Belongs,
  belongsTo,
  filesIn,
  type Found,
  placesOf,
  SCRATCH_PREFIX,
  within,
} from "./places.ts";

export interface BackupOptions {
  config: Config;
  /** The release that makes it. */
  release: string;
  /** age1…, each of whom can open it; empty: it is not encrypted. */
  recipients: readonly string[];
  /** Whether what owners have pushed is in it. */
  withContent: boolean;
  now: () => number;
}

/**
 * @param write where the archive goes
 * @returns what is in it
 * @throws KhachapuriError `invalid_input` for a recipient, `file_unusable` for a damaged database
 */
export async function backUp(
  options: BackupOptions,
  write: (archive: ReadableStream<Uint8Array<ArrayBuffer>>) => Promise<void>,
): Promise<Manifest> {
  const { archive, file } = await writeArchive(options.recipients);
  const scratch = await Deno.makeTempDir({ dir: options.config.home, prefix: SCRATCH_PREFIX });
  try {
    const writing = write(file);
    // Whatever fails first is what is told; the other is then only its consequence.
    const filling = fill(archive, options, scratch);
    const [manifest] = await Promise.all([filling, writing]);
    return manifest;
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

async function fill(
  archive: ArchiveWriter,
  { config, release, withContent, now }: BackupOptions,
  scratch: string,
): Promise<Manifest> {
  const places = placesOf(config);
  const madeAt = now();
  const files: ManifestFile[] = [];
  const names = new Set<string>();
  for (const { isNext, belongs } of turnsOf(config, withContent)) {
    // Looked for anew in each turn: what comes meanwhile may be in a database of the turn before.
    for (const place of places) {
      for await (const file of filesIn(place, belongs)) {
        if (!isNext(file) || names.has(file.name)) continue;
        const added = await add(archive, file, scratch);
        if (added) files.push(added);
        if (added) names.add(added.name);
      }
    }
  }
  const manifest: Manifest = {
    version: BACKUP_VERSION,
    khachapuri: release,
    madeAt,
    provider: requireProvider(config).name,
    places,
    files,
  };
  const text = new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`);
  await archive.add(MANIFEST_NAME, 0o600, text.length, new Blob([text]).stream());
  archive.end();
  return manifest;
}

/** Some of the files, looked for together. */
interface Turn {
  readonly belongs: Belongs;
  readonly isNext: (file: Found) => boolean;
}

/**
 * A row of a ledger goes from where it was handed over to the table, and from there to the archive.
 * In this order it may be found in two of them, which the ledger knows, and never in none. The
 * archive comes first as well: what the copy of the table names may go while the rest is copied. No
 * file of it is ever changed, so each is taken once, and in the end those that came meanwhile.
 */
function turnsOf(config: Config, withContent: boolean): Turn[] {
  const state = resolveFromHome(config, requireProvider(config).stateDir);
  const book = join(state, "book");
  const archive = archiveDir(join(book, "ledger.db"));
  const all = belongsTo(config, withContent);
  const isArchived = ({ path }: Found) => dirname(path) === archive;
  const isHandedOver = ({ path }: Found) => dirname(path) === book && HANDED_OVER.test(path);
  return [
    { belongs: within(archive, all), isNext: isArchived },
    { belongs: within(book, all), isNext: isHandedOver },
    { belongs: all, isNext: (file) => !isArchived(file) && !isHandedOver(file) },
    { belongs: within(archive, all), isNext: isArchived },
  ];
}

const HANDED_OVER = /-handed-over$/;

/** Null where the file is gone by now, or is shorter than it was a moment ago. */
async function add(
  archive: ArchiveWriter,
  { path, name, mode }: Found,
  scratch: string,
): Promise<ManifestFile | null> {
  const source = await sourceOf(path, scratch);
  if (source === null) return null;
  try {
    using file = await Deno.open(source, { read: true });
    const { size: bytes } = await file.stat();
    const hash = createHash("sha256");
    await archive.add(name, mode, bytes, exactly(file, bytes, (chunk) => hash.update(chunk)));
    return { name, bytes, sha256: hash.digest("hex"), mode };
  } finally {
    if (source !== path) await Deno.remove(source);
  }
}

/** The file to read: a database's copy, anything else itself; null when it is gone. */
async function sourceOf(path: string, scratch: string): Promise<string | null> {
  try {
    if (!await isDatabase(path)) return path;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
  const copy = join(scratch, crypto.randomUUID());
  await copyDatabase(path, copy);
  return copy;
}

/**
 * So many bytes of a file, whatever is appended to it meanwhile. One that is written anew and is
 * shorter then is filled up with zeros: its own reader knows what is whole, by checksums.
 */
function exactly(
  file: Deno.FsFile,
  bytes: number,
  see: (chunk: Uint8Array) => void,
): ReadableStream<Uint8Array> {
  let left = bytes;
  return new ReadableStream({
    async pull(controller) {
      if (left === 0) return controller.close();
      const chunk = new Uint8Array(Math.min(left, 256 * 1024));
      const read = await file.read(chunk) ?? chunk.length;
      const taken = chunk.subarray(0, read);
      left -= taken.length;
      see(taken);
      controller.enqueue(taken);
      if (left === 0) controller.close();
    },
  });
}

/** Unpacking a program's zip, which trusts nothing. `pack.ts` makes one. */
import { crc32 } from "node:zlib";
import { join } from "node:path";
import { KhachapuriError } from "../errors.ts";
import { readZip, type ZipEntry } from "./zip_reader.ts";

/**
 * Unpacks a program into `dir`, which comes into being complete or not at all. A `dir` that is
 * there already, from another request for the same content, is left as it is.
 * @throws KhachapuriError `invalid_program`
 */
export async function unpackProgram(zip: Uint8Array, dir: string): Promise<void> {
  const entries = readZip(zip as Uint8Array<ArrayBuffer>);
  const partial = `${dir}.${crypto.randomUUID()}`;
  await makeFolder(partial);
  try {
    for (const entry of entries) await unpackEntry(entry, partial);
    await moveInto(partial, dir);
  } finally {
    await Deno.remove(partial, { recursive: true }).catch(() => {});
  }
}

async function moveInto(partial: string, dir: string): Promise<void> {
  try {
    await Deno.rename(partial, dir);
  } catch (error) {
    const there = await Deno.stat(dir).catch(() => null);
    if (!there?.isDirectory) throw error;
  }
}

/** Folders get their mode by chmod: the process's umask must not decide who can run a program. */
async function makeFolder(path: string): Promise<void> {
  await Deno.mkdir(path);
  await Deno.chmod(path, 0o755);
}

async function unpackEntry(entry: ZipEntry, root: string): Promise<void> {
  const segments = entry.path.split("/");
  const folders = entry.kind === "folder" ? segments : segments.slice(0, -1);
  let folder = root;
  for (const segment of folders) {
    folder = join(folder, segment);
    await makeFolder(folder).catch((error) => {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    });
  }
  if (entry.kind === "folder") return;

  const path = join(root, ...segments);
  if (entry.link !== null) return await Deno.symlink(entry.link, path);
  try {
    await Deno.writeFile(path, ReadableStream.from(checkedChunks(entry)), { createNew: true });
  } catch (error) {
    // What DecompressionStream throws for bytes that are no deflate stream.
    if (error instanceof TypeError) throw lied(entry, "is no valid deflate stream");
    throw error;
  }
  await Deno.chmod(path, entry.executable ? 0o755 : 0o644);
}

/** Streams, so that a lying size costs no more than one chunk beyond what it declared. */
async function* checkedChunks(entry: ZipEntry): AsyncIterable<Uint8Array> {
  let size = 0;
  let checksum = 0;
  for await (const chunk of unpackedChunks(entry)) {
    size += chunk.length;
    if (size > entry.size) throw lied(entry, "unpacks to more than it declares");
    checksum = crc32(chunk, checksum);
    yield chunk;
  }
  if (size !== entry.size) throw lied(entry, "unpacks to less than it declares");
  if (checksum !== entry.crc32) throw lied(entry, "does not match its checksum");
}

function unpackedChunks(entry: ZipEntry): ReadableStream<Uint8Array> {
  const packed = new Blob([entry.packed]).stream();
  if (entry.method === "stored") return packed;
  return packed.pipeThrough(new DecompressionStream("deflate-raw"));
}

function lied(entry: ZipEntry, what: string): KhachapuriError {
  return new KhachapuriError(
    "invalid_program",
    `program zip: ${JSON.stringify(entry.path)} ${what}`,
  );
}

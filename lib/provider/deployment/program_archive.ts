/**
 * A program's archive where its entries can be read: a small one in memory, as most are; a larger
 * one in a file, which it comes into a block at a time. The memory is taken before, as is the disk.
 */
import { join } from "node:path";
import { type CID, parseCid } from "../../cid.ts";
import { writeAll } from "../../file_bytes.ts";
import type { Fetcher } from "../../ipfs/gateway.ts";
import { refusedBytes, tooLarge } from "../../ipfs/unixfs.ts";
import type { FileSink } from "../../ipfs/unixfs_stream.ts";
import {
  PROGRAM_SMALL_BYTES_MAX,
  PROGRAM_STREAM_BYTES_MAX,
  PROGRAM_ZIP_BYTES_MAX,
} from "../../limits.ts";
import { decryptProgram, ProgramDecryption } from "../../spec/private_program.ts";
import type { Spec } from "../../spec/schema.ts";
import { bytesSource, fileSource, type ZipSource } from "../../spec/zip_source.ts";
import type { Openings } from "./openings.ts";

export interface ArchiveGround {
  fetcher: Fetcher;
  openings: Pick<Openings, "take">;
  /** Where the file is, without a name from the start: it is gone with this process. */
  dir: string;
  /** Counts what it takes of the disk. @throws KhachapuriError `overloaded` */
  takeRoom(bytes: number): Promise<void>;
}

/**
 * Fetches it; what it takes is given back with `stack`.
 * @throws KhachapuriError as the fetcher, `invalid_program` when it does not decrypt,
 * `overloaded` when there is no memory for it in time
 */
export async function fetchArchive(
  ground: ArchiveGround,
  { owner, program }: Spec,
  stack: AsyncDisposableStack,
): Promise<ZipSource> {
  const { fetcher, openings } = ground;
  const cid = parseCid(program.cid);
  const key = program.key ?? null;
  const small = await openings.take(owner, PROGRAM_SMALL_BYTES_MAX);
  try {
    const source = await inMemory(fetcher, cid, key, PROGRAM_SMALL_BYTES_MAX);
    stack.defer(() => small.free());
    return source;
  } catch (error) {
    small.free();
    const bytes = largeBytes(error);
    if (bytes === null) throw error;
    // What is decrypted in memory stands beside what it was decrypted from.
    const isWhole = fetcher.streamFile === undefined;
    const memory = isWhole ? (key ? 2 : 1) * bytes : PROGRAM_STREAM_BYTES_MAX;
    const large = await openings.take(owner, memory);
    stack.defer(() => large.free());
    return await (isWhole
      ? inMemory(fetcher, cid, key, bytes)
      : inFile(ground, cid, key, bytes, stack));
  }
}

async function inMemory(
  fetcher: Fetcher,
  cid: CID,
  key: string | null,
  maxBytes: number,
): Promise<ZipSource> {
  const bytes = await fetcher.readFile(cid, { maxBytes });
  return bytesSource(key ? await decryptProgram(bytes, key) : bytes as Uint8Array<ArrayBuffer>);
}

async function inFile(
  { fetcher, dir, takeRoom }: ArchiveGround,
  cid: CID,
  key: string | null,
  maxBytes: number,
  stack: AsyncDisposableStack,
): Promise<ZipSource> {
  await takeRoom(maxBytes);
  const path = join(dir, crypto.randomUUID());
  const options = { read: true, write: true, createNew: true, mode: 0o600 };
  const file = stack.use(await Deno.open(path, options));
  await Deno.remove(path);
  const sink = new ArchiveSink(file, key);
  await fetcher.streamFile!(cid, { maxBytes }, sink);
  return fileSource(file, sink.end());
}

class ArchiveSink implements FileSink {
  #decryption: ProgramDecryption | null = null;
  #bytes = 0;

  constructor(private readonly file: Deno.FsFile, private readonly key: string | null) {}

  async begin(fileBytes: number): Promise<void> {
    this.#bytes = 0;
    this.#decryption = this.key ? new ProgramDecryption(fileBytes, this.key) : null;
    await this.file.truncate(0);
    await this.file.seek(0, Deno.SeekMode.Start);
  }

  async write(bytes: Uint8Array): Promise<void> {
    const zip = this.#decryption?.update(bytes) ?? bytes;
    await writeAll(this.file, zip);
    this.#bytes += zip.length;
  }

  /**
   * It is whole. @returns its bytes
   * @throws KhachapuriError `invalid_program` when it does not decrypt
   */
  end(): number {
    this.#decryption?.end();
    return this.#bytes;
  }
}

/**
 * How large a file is that was refused for its size alone; null for any other failure.
 * @throws KhachapuriError `invalid_input` when no program is so large
 */
function largeBytes(error: unknown): number | null {
  const fileBytes = refusedBytes(error);
  if (fileBytes !== null && fileBytes > PROGRAM_ZIP_BYTES_MAX) {
    throw tooLarge(fileBytes, PROGRAM_ZIP_BYTES_MAX);
  }
  return fileBytes;
}

/**
 * A backup as one file: a tar.gz, so that it can be looked at and taken apart by anybody's tools,
 * in an age envelope (age-encryption.org/v1) where recipients are given.
 */
import { Decrypter, Encrypter } from "age-encryption";
import { createTarDecoder, createTarPacker, type ParsedTarEntry } from "modern-tar";
import { KhachapuriError } from "../../errors.ts";

type Bytes = ReadableStream<Uint8Array<ArrayBuffer>>;

export interface ArchiveWriter {
  /** Adds a file of exactly `bytes` bytes. @throws Error when `body` has more or fewer */
  add(name: string, mode: number, bytes: number, body: ReadableStream<Uint8Array>): Promise<void>;
  /** What was added is all there is. */
  end(): void;
}

/**
 * @param recipients age1… or age1pq1…, of whom each can open it; empty: no envelope
 * @returns the file as it grows
 * @throws KhachapuriError `invalid_input` for what is no recipient
 */
export async function writeArchive(
  recipients: readonly string[],
): Promise<{ archive: ArchiveWriter; file: Bytes }> {
  const { readable, controller } = createTarPacker();
  const zipped = readable.pipeThrough(new CompressionStream("gzip"));
  const file = recipients.length === 0 ? zipped : await sealed(zipped, recipients);
  const archive: ArchiveWriter = {
    add: (name, mode, size, body) => body.pipeTo(controller.add({ name, mode, size })),
    end: () => controller.finalize(),
  };
  return { archive, file: file as Bytes };
}

async function sealed(plain: ReadableStream<Uint8Array>, recipients: readonly string[]) {
  const encrypter = new Encrypter();
  for (const recipient of recipients) {
    try {
      encrypter.addRecipient(recipient);
    } catch (cause) {
      throw new KhachapuriError("invalid_input", `${recipient} is no age recipient`, {
        hints: ["one begins with age1; age-keygen makes one, and its identity opens the backup"],
        cause,
      });
    }
  }
  return await encrypter.encrypt(plain);
}

const AGE_MAGIC = "age-encryption.org/";
const GZIP_MAGIC = 0x1f;

/**
 * The files of an archive in their order; each has to be read or cancelled before the next.
 * @param identities AGE-SECRET-KEY-… that may open it
 * @throws KhachapuriError `invalid_input` for what is no backup, or is sealed to others; TypeError
 * for what is damaged
 */
export async function* readArchive(
  file: ReadableStream<Uint8Array<ArrayBuffer>>,
  path: string,
  identities: readonly string[],
): AsyncGenerator<ParsedTarEntry> {
  const { head, whole } = await beginningOf(file);
  const isSealed = new TextDecoder().decode(head).startsWith(AGE_MAGIC);
  if (!isSealed && head[0] !== GZIP_MAGIC) throw notBackup(path);
  const zipped = isSealed ? await opened(whole, path, identities) : whole;
  const tar = zipped.pipeThrough(new DecompressionStream("gzip"));
  yield* tar.pipeThrough(createTarDecoder({ strict: true }));
}

async function opened(sealed: Bytes, path: string, identities: readonly string[]): Promise<Bytes> {
  if (identities.length === 0) {
    throw new KhachapuriError("invalid_input", `${path} is encrypted`, {
      hints: ["give the file of an identity that opens it: --identity FILE"],
    });
  }
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  try {
    return await decrypter.decrypt(sealed) as Bytes;
  } catch (cause) {
    const message = `${path} is encrypted to others than the identities that were given`;
    throw new KhachapuriError("invalid_input", message, { cause });
  }
}

/** The first chunk that has bytes, and the stream with it. */
async function beginningOf(file: Bytes): Promise<{ head: Uint8Array; whole: Bytes }> {
  const reader = file.getReader();
  let head = new Uint8Array(0);
  while (head.length === 0) {
    const { done, value } = await reader.read();
    if (done) break;
    head = value;
  }
  const whole = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (controller) => controller.enqueue(head),
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
  return { head, whole };
}

function notBackup(path: string): KhachapuriError {
  return new KhachapuriError("invalid_input", `${path} is no backup`, {
    hints: ["khachapuri backup FILE makes one"],
  });
}

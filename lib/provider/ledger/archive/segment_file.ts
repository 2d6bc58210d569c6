/**
 * A segment: a part of the journal in a file of its own that anybody can read (`zcat`). Its first
 * line says what it is and names its parties, each further one is a block of rows
 * (`block_codec.ts`). Each line is a gzip member of its own (RFC 1952, 2.2), so that one can be
 * read without those before it.
 */
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { KhachapuriError } from "../../../errors.ts";
import { syncFolder } from "../../../files.ts";
import { isReceipted } from "../codec.ts";
import { decodeBlock, encodeBlock, type Party, type PartyRow } from "./block_codec.ts";
import type { SegmentId } from "./schema.ts";

const VERSION = 1;
/** Of what is not whole yet: no backup has it, and the next life removes it. */
const PARTIAL = ".partial";
const READ_BYTES = 256 * 1024;

export interface Head extends SegmentId {
  readonly parties: readonly Party[];
}

/** Where a block is, and between which reservations those are that it has receipts of; 0: none. */
export type Place = readonly [
  offset: number,
  bytes: number,
  firstReceipt: number,
  lastReceipt: number,
];

/** A file as it was written. */
export interface Written {
  readonly bytes: number;
  readonly sha256: string;
  readonly headBytes: number;
  readonly places: readonly Place[];
}

/** The name of its file: they sort as their rows do. */
export function segmentName({ kind, first, last }: SegmentId): string {
  const digits = (seq: number) => String(seq).padStart(12, "0");
  return `${kind === "rows" ? "ledger" : "receipts"}-${digits(first)}-${digits(last)}.jsonl.gz`;
}

/** Writes a segment, block after block; it has its name when it is whole and on the disk. */
export class SegmentWriter {
  readonly #file: Deno.FsFile;
  readonly #path: string;
  readonly #hash = createHash("sha256");
  readonly #places: Place[] = [];
  readonly #headBytes: number;
  #bytes = 0;

  /** @param dir is there */
  constructor(dir: string, private readonly head: Head) {
    this.#path = join(dir, segmentName(head));
    const options = { create: true, truncate: true, write: true, mode: 0o600 };
    this.#file = Deno.openSync(this.#path + PARTIAL, options);
    const { kind, first, last, parties } = head;
    const line = { khachapuri: "ledger", version: VERSION, kind, first, last, parties };
    this.#headBytes = this.#put(JSON.stringify(line));
  }

  /** @throws Error when a row could not be read back as it is */
  add(rows: readonly PartyRow[]): void {
    const text = encodeBlock(rows, this.head.parties);
    const offset = this.#bytes;
    this.#places.push([offset, this.#put(text), ...receiptsIn(rows)]);
  }

  /** @throws Error when the disk does not give back what was written */
  async finish(): Promise<Written> {
    const sha256 = this.#hash.digest("hex");
    await this.#file.sync();
    const found = await hashOf(this.#path + PARTIAL);
    if (found !== sha256) throw new Error(`${this.#path} is not on the disk as it was written`);
    await Deno.rename(this.#path + PARTIAL, this.#path);
    await syncFolder(dirname(this.#path));
    return { bytes: this.#bytes, sha256, headBytes: this.#headBytes, places: this.#places };
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }

  /** @returns how many bytes that took */
  #put(line: string): number {
    const member = gzipSync(`${line}\n`, { level: 9 });
    for (let rest: Uint8Array = member; rest.length > 0;) {
      rest = rest.subarray(this.#file.writeSync(rest));
    }
    this.#hash.update(member);
    this.#bytes += member.length;
    return member.length;
  }
}

/** Between which reservations those of the rows are that have a receipt; 0: none has. */
function receiptsIn(rows: readonly PartyRow[]): [first: number, last: number] {
  let [first, last] = [0, 0];
  for (const { row } of rows) {
    if (!isReceipted(row)) continue;
    first = first === 0 ? row.reservation : Math.min(first, row.reservation);
    last = Math.max(last, row.reservation);
  }
  return [first, last];
}

/** sha256 of a file, hex. @throws Error as Deno.open */
export async function hashOf(path: string): Promise<string> {
  using file = await Deno.open(path);
  const hash = createHash("sha256");
  const chunk = new Uint8Array(READ_BYTES);
  for (let read; (read = await file.read(chunk)) !== null;) hash.update(chunk.subarray(0, read));
  return hash.digest("hex");
}

/** A segment that is read: a block at a time, so that its size does not matter. */
export class SegmentFile {
  readonly #file: Deno.FsFile;
  /** The parties of its rows. */
  readonly parties: readonly Party[];

  /**
   * @param known its parties, where they were read before: its head is not read then
   * @throws KhachapuriError `file_unusable` for one that is damaged, or is not there
   */
  constructor(private readonly path: string, headBytes: number, known?: readonly Party[]) {
    try {
      this.#file = Deno.openSync(path);
    } catch (error) {
      throw damaged(path, error);
    }
    try {
      this.parties = known ?? this.#partiesIn(headBytes);
    } catch (error) {
      this.#file.close();
      throw damaged(path, error);
    }
  }

  /** @throws KhachapuriError `file_unusable` when it is damaged */
  block([offset, bytes]: Place): PartyRow[] {
    try {
      return decodeBlock(this.#line(offset, bytes), this.parties);
    } catch (error) {
      throw damaged(this.path, error);
    }
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }

  #partiesIn(headBytes: number): readonly Party[] {
    const head = JSON.parse(this.#line(0, headBytes));
    if (head.version !== VERSION) throw new Error(`it has version ${head.version}`);
    return head.parties;
  }

  #line(offset: number, bytes: number): string {
    const member = new Uint8Array(bytes);
    this.#file.seekSync(offset, Deno.SeekMode.Start);
    for (let read = 0; read < bytes;) {
      const more = this.#file.readSync(member.subarray(read));
      if (more === null) throw new Error("it ends too early");
      read += more;
    }
    return new TextDecoder().decode(gunzipSync(member));
  }
}

function damaged(path: string, cause: unknown): KhachapuriError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new KhachapuriError("file_unusable", `${path} can't be read back: ${why}`, {
    cause,
    hints: ["put it back from a backup; khachapuri ledger --verify says what else is"],
  });
}

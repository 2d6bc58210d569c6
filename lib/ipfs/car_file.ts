/** A CAR in a file, of which any part can be read; nothing about it is verified. */
import type { CID } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import { fill } from "../file_bytes.ts";
import {
  BLOCK_BYTES_MAX,
  CAR_CID_BYTES_MAX,
  CAR_HEADER_BYTES_MAX,
  VARINT_BYTES_MAX,
} from "../limits.ts";
import { decodeContentCid } from "./content_cid.ts";
import { decodeVarint } from "./varint.ts";

/** A block's place in the file. */
export interface CarSection {
  cid: CID;
  /** Of the block's first byte. */
  offset: number;
  length: number;
}

/** Read at a time: of large blocks little more than their cids, and many small ones at once. */
const WINDOW_BYTES = 16 * 1024;
/** The longest head of a section: its length, and a cid. */
const HEAD_BYTES = VARINT_BYTES_MAX + CAR_CID_BYTES_MAX;

export class CarFile {
  /** What was last read, and where it begins. */
  #window = new Uint8Array();
  #start = 0;

  constructor(private readonly file: Deno.FsFile) {}

  /** Where the first section begins. @throws KhachapuriError `invalid_input` */
  async firstSection(): Promise<number> {
    const header = varintIn(await this.#at(0, HEAD_BYTES));
    if (header.value > CAR_HEADER_BYTES_MAX) throw malformed();
    return header.length + header.value;
  }

  /**
   * The section that begins at byte `at`; null at the file's end.
   * @throws KhachapuriError `invalid_input` when there is none
   */
  async sectionAt(at: number): Promise<CarSection | null> {
    const head = await this.#at(at, HEAD_BYTES);
    if (head.length === 0) return null;
    const { value, length } = varintIn(head);
    const { cid, length: cidBytes } = decodeContentCid(head.subarray(length, length + value));
    if (value < cidBytes || value - cidBytes > BLOCK_BYTES_MAX) throw malformed();
    return { cid, offset: at + length + cidBytes, length: value - cidBytes };
  }

  /** @throws KhachapuriError `invalid_input` when the file ends before */
  async blockOf({ offset, length }: CarSection): Promise<Uint8Array> {
    const bytes = await this.#at(offset, length);
    if (bytes.length < length) throw malformed();
    return bytes;
  }

  /** Up to `length` bytes, fewer where the file ends; a copy, as the next may replace them. */
  async #at(offset: number, length: number): Promise<Uint8Array> {
    const isRead = offset >= this.#start && offset + length <= this.#start + this.#window.length;
    if (!isRead) await this.#read(offset, Math.max(length, WINDOW_BYTES));
    const from = offset - this.#start;
    return this.#window.slice(from, from + length);
  }

  async #read(offset: number, length: number): Promise<void> {
    await this.file.seek(offset, Deno.SeekMode.Start);
    const bytes = new Uint8Array(length);
    this.#window = bytes.subarray(0, await fill(this.file, bytes));
    this.#start = offset;
  }
}

/** The sections of a CAR in their order. @throws KhachapuriError `invalid_input` */
export async function* carSections(file: Deno.FsFile): AsyncGenerator<CarSection> {
  const car = new CarFile(file);
  let at = await car.firstSection();
  for (let next = await car.sectionAt(at); next !== null; next = await car.sectionAt(at)) {
    yield next;
    at = next.offset + next.length;
  }
}

function varintIn(bytes: Uint8Array): { value: number; length: number } {
  const varint = decodeVarint(bytes);
  if (varint.kind !== "whole") throw malformed();
  return varint;
}

function malformed(): KhachapuriError {
  return new KhachapuriError("invalid_input", "not a CAR as we write them");
}

/** Where the blocks of a CAR file are, without reading them. */
import type { CID } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import { BLOCK_BYTES_MAX, CAR_CID_BYTES_MAX, CAR_HEADER_BYTES_MAX } from "../limits.ts";
import { decodeContentCid } from "./content_cid.ts";

/** A block's place in the file; nothing about it is verified. */
export interface CarSection {
  cid: CID;
  /** Of the block's first byte. */
  offset: number;
  length: number;
}

/** Read at a time: of large blocks little more than their cids, and many small ones at once. */
const WINDOW_BYTES = 16 * 1024;
/** The longest head of a section: its length in five bytes, and a cid. */
const HEAD_BYTES = 5 + CAR_CID_BYTES_MAX;

/**
 * The sections of a CAR in a file, in their order.
 * @throws KhachapuriError `invalid_input` when it is no CAR of ours
 */
export async function* carSections(file: Deno.FsFile): AsyncGenerator<CarSection> {
  const window = new Window(file);
  const header = varintIn(await window.at(0, HEAD_BYTES));
  if (header.value > CAR_HEADER_BYTES_MAX) throw malformed();
  for (let at = header.length + header.value;;) {
    const head = await window.at(at, HEAD_BYTES);
    if (head.length === 0) return;
    const { value, length } = varintIn(head);
    const { cid, length: cidBytes } = decodeContentCid(head.subarray(length, length + value));
    if (value < cidBytes || value - cidBytes > BLOCK_BYTES_MAX) throw malformed();
    yield { cid, offset: at + length + cidBytes, length: value - cidBytes };
    at += length + value;
  }
}

/** What was last read of a file. */
class Window {
  #start = 0;
  #bytes = new Uint8Array();

  constructor(private readonly file: Deno.FsFile) {}

  /** Up to `length` bytes, fewer where the file ends; a copy, as the next may replace them. */
  async at(offset: number, length: number): Promise<Uint8Array> {
    const isRead = offset >= this.#start && offset + length <= this.#start + this.#bytes.length;
    if (!isRead) await this.#read(offset);
    const from = offset - this.#start;
    return this.#bytes.slice(from, from + length);
  }

  async #read(offset: number): Promise<void> {
    await this.file.seek(offset, Deno.SeekMode.Start);
    const bytes = new Uint8Array(WINDOW_BYTES);
    let filled = 0;
    while (filled < bytes.length) {
      const read = await this.file.read(bytes.subarray(filled));
      if (read === null) break;
      filled += read;
    }
    this.#start = offset;
    this.#bytes = bytes.subarray(0, filled);
  }
}

function varintIn(bytes: Uint8Array): { value: number; length: number } {
  let value = 0;
  for (let index = 0; index < 5; index++) {
    const byte = bytes[index];
    if (byte === undefined) throw malformed();
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return { value, length: index + 1 };
  }
  throw malformed();
}

function malformed(): KhachapuriError {
  return new KhachapuriError("invalid_input", "not a CAR as we write them");
}

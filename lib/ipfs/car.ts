/**
 * CARv1 (https://ipld.io/specs/transport/car/carv1/): a header and blocks in a row. Reading is
 * incremental: a block is verified as soon as it is complete, and nothing is buffered beyond it.
 */
import { type Block, type CID, decodeCid, formatCid, isContentOf, isInline } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import { Leisure } from "../leisure.ts";
import {
  BLOCK_BYTES_MAX,
  CAR_CID_BYTES_MAX,
  CAR_HEADER_BYTES_MAX,
  VARINT_BYTES_MAX,
} from "../limits.ts";
import type { Dag } from "./dag.ts";
import { encodeVarint } from "./varint.ts";

/** Read before every section, so a caller may raise them while it learns what to expect. */
export interface CarLimits {
  bytesMax: number;
  blocksMax: number;
}

/** DAG-CBOR of the map `{roots: [one 36-byte CID], version: 1}`, around the CID. */
const HEADER_START = [0xa2, 0x65, ...ascii("roots")];
const HEADER_END = [0x67, ...ascii("version"), 0x01];
/** Up to the length of the root's CID, which is one more for the byte before it. */
const ONE_ROOT = [0x81, 0xd8, 0x2a, 0x58];
const CARV2_PRAGMA = [0xa1, 0x67, ...ascii("version"), 0x02];

/** A CAR with one root, its blocks in the order of the DAG. */
export function writeCar(dag: Dag): Uint8Array<ArrayBuffer> {
  const car = new Uint8Array(carBytes(dag));
  let at = 0;
  for (const part of carParts(dag)) {
    car.set(part, at);
    at += part.length;
  }
  return car;
}

/** How many bytes its CAR has. */
export function carBytes(dag: Dag): number {
  let bytes = 0;
  for (const part of carParts(dag)) bytes += part.length;
  return bytes;
}

/** The same piece by piece; the blocks' bytes are not copied. */
export function* carParts(dag: Dag): Iterable<Uint8Array> {
  const header = carHeader(dag.root.toV1());
  yield encodeVarint(header.length);
  yield header;
  for (const block of dag.blocks) {
    yield encodeVarint(block.cid.bytes.length + block.bytes.length);
    yield block.cid.bytes;
    yield block.bytes;
  }
}

/** The header of a CAR with one root, without its length. */
export function carHeader({ bytes }: CID): Uint8Array {
  return Uint8Array.of(
    ...HEADER_START,
    ...ONE_ROOT,
    bytes.length + 1,
    0,
    ...bytes,
    ...HEADER_END,
  );
}

/**
 * Reads a CAR block by block. Its roots are ignored: they are a claim, and the reader knows what
 * it asked for. The stream is cancelled when the caller stops early.
 * @throws KhachapuriError `invalid_input` when it is no CARv1, is cut off, holds a block that we
 * cannot verify or passes a limit; `ipfs_mismatch` when a block is not what its CID says
 */
export async function* readCar(
  stream: ReadableStream<Uint8Array>,
  limits: CarLimits,
): AsyncGenerator<Block> {
  const reader = stream.getReader();
  try {
    const input = new Input(reader, limits);
    const leisure = new Leisure();
    await readHeader(input);
    for (let blocks = 1;; blocks++) {
      const length = await input.varint("end allowed");
      if (length === null) return;
      if (blocks > limits.blocksMax) throw malformed(`more than ${limits.blocksMax} blocks`);
      const block = await readSection(input, length);
      const isContent = await leisure.slice(length, () => isContentOf(block.cid, block.bytes));
      if (!isContent) throw mismatch(block.cid);
      yield block;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

async function readHeader(input: Input): Promise<void> {
  const length = await input.varint();
  if (length === 0 || length > CAR_HEADER_BYTES_MAX) {
    throw malformed(`a header of ${length} bytes`);
  }
  const header = await input.take(length);
  const startsWith = (prefix: number[]) => prefix.every((byte, i) => header[i] === byte);
  if (startsWith(CARV2_PRAGMA)) throw malformed("it is a CARv2");
  const end = header.subarray(-HEADER_END.length);
  if (!startsWith(HEADER_START) || !HEADER_END.every((byte, i) => end[i] === byte)) {
    throw malformed("the header is not the one of a CARv1");
  }
}

/** Not verified yet. */
async function readSection(input: Input, length: number): Promise<Block> {
  if (length === 0 || length > CAR_CID_BYTES_MAX + BLOCK_BYTES_MAX) {
    throw malformed(`a section of ${length} bytes`);
  }
  const section = await input.take(length);
  const { cid, length: cidBytes } = decodeSectionCid(section);
  return { cid, bytes: section.subarray(cidBytes) };
}

function decodeSectionCid(section: Uint8Array): { cid: CID; length: number } {
  try {
    const decoded = decodeCid(section);
    if (!isInline(decoded.cid)) return decoded;
  } catch (cause) {
    throw malformed(cause instanceof Error ? cause.message : String(cause), cause);
  }
  throw malformed("an identity CID, which is never in a CAR");
}

/** The bytes of a stream, taken in exact amounts. */
class Input {
  #chunk = new Uint8Array();
  #taken = 0;

  constructor(
    readonly reader: ReadableStreamDefaultReader<Uint8Array>,
    readonly limits: CarLimits,
  ) {}

  /** Exactly `length` bytes: a view of what arrived where possible, else one copy. */
  async take(length: number): Promise<Uint8Array> {
    this.#taken += length;
    if (this.#taken > this.limits.bytesMax) {
      throw malformed(`more than ${this.limits.bytesMax} bytes`);
    }
    if (this.#chunk.length >= length) return this.#cut(length);
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length;) {
      if (this.#chunk.length === 0 && !(await this.#pull())) throw malformed("it is cut off");
      const part = this.#cut(Math.min(length - at, this.#chunk.length));
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  async varint(): Promise<number>;
  async varint(end: "end allowed"): Promise<number | null>;
  async varint(end?: "end allowed"): Promise<number | null> {
    let value = 0;
    for (let index = 0; index < VARINT_BYTES_MAX; index++) {
      while (this.#chunk.length === 0) {
        if (await this.#pull()) continue;
        if (index === 0 && end !== undefined) return null;
        throw malformed("it is cut off");
      }
      const byte = this.#cut(1)[0]!;
      this.#taken++;
      value += (byte & 0x7f) * 2 ** (7 * index);
      if (byte === 0 && index > 0) throw malformed("a varint is longer than needed");
      if (byte < 0x80) return value;
    }
    throw malformed(`a varint of more than ${VARINT_BYTES_MAX} bytes`);
  }

  #cut(length: number): Uint8Array {
    const part = this.#chunk.subarray(0, length);
    this.#chunk = this.#chunk.subarray(length);
    return part;
  }

  async #pull(): Promise<boolean> {
    const { done, value } = await this.reader.read();
    if (done) return false;
    this.#chunk = value as Uint8Array<ArrayBuffer>;
    return true;
  }
}

function ascii(text: string): number[] {
  return [...new TextEncoder().encode(text)];
}

/** The failure of bytes that are not what `cid` says. */
export function mismatch(cid: CID): KhachapuriError {
  return new KhachapuriError("ipfs_mismatch", `received bytes that are not ${formatCid(cid)}`);
}

function malformed(what: string, cause?: unknown): KhachapuriError {
  return new KhachapuriError("invalid_input", `not a CAR that we can use: ${what}`, { cause });
}

/**
 * CARv1 (https://ipld.io/specs/transport/car/carv1/): a header and blocks in a row. Reading is
 * incremental: a block is verified as soon as it is complete, while the next one comes.
 */
import { type ByteSource, streamSource } from "../byte_source.ts";
import { type Block, blockKey, type CID, formatCid, isContentOf, isInline } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import { Leisure } from "../leisure.ts";
import { BLOCK_BYTES_MAX, CAR_CID_BYTES_MAX, CAR_HEADER_BYTES_MAX } from "../limits.ts";
import { CarInput, type CarLimits, malformed } from "./car_input.ts";
import { decodeContentCid, isCheckable } from "./content_cid.ts";
import type { Dag } from "./dag.ts";
import { encodeVarint } from "./varint.ts";

export type { CarLimits };

/** DAG-CBOR of the map `{roots: [one CID], version: 1}`, around the CID. */
const HEADER_START = [0xa2, 0x65, ...ascii("roots")];
const HEADER_END = [0x67, ...ascii("version"), 0x01];
const ONE_ROOT = [0x81, 0xd8, 0x2a];
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
  yield carHeader(dag.root);
  for (const block of dag.blocks) {
    yield sectionHead(block);
    yield block.bytes;
  }
}

/** What a CAR with one root begins with. */
export function carHeader(root: CID): Uint8Array {
  const header = headerNaming(root.toV1());
  return Uint8Array.of(...encodeVarint(header.length), ...header);
}

/** The header that names one root as it is, without its length. */
export function headerNaming({ bytes }: CID): Uint8Array {
  const cid = [0x00, ...bytes];
  const length = cid.length < 24 ? [0x40 + cid.length] : [0x58, cid.length];
  return Uint8Array.of(...HEADER_START, ...ONE_ROOT, ...length, ...cid, ...HEADER_END);
}

/** What stands before a block's bytes: how long the section is, and the cid. */
export function sectionHead({ cid, bytes }: Block): Uint8Array {
  const length = encodeVarint(cid.bytes.length + bytes.length);
  const head = new Uint8Array(length.length + cid.bytes.length);
  head.set(length);
  head.set(cid.bytes, length.length);
  return head;
}

/** How long it is before a block of `length` bytes. */
export function sectionHeadBytes(cid: CID, length: number): number {
  const cidBytes = cid.bytes.length;
  return encodeVarint(cidBytes + length).length + cidBytes;
}

/** A block as it came. */
export interface CarBlock extends Block {
  /** Resolves when `bytes` turned out to be what `cid` says; rejects `ipfs_mismatch` when not. */
  verified: Promise<void>;
}

/** Where a block's bytes are wanted, should it be the one that comes next. */
export interface Place {
  /** The block's (`blockKey`). */
  key: string;
  /** As long as the block is said to be. */
  bytes: Uint8Array;
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
  const car = new CarReader(streamSource(stream), limits);
  try {
    for (let block = await car.next(); block !== null; block = await car.next()) {
      const { cid, bytes, verified } = block;
      await verified;
      yield { cid, bytes };
    }
  } finally {
    car.cancel();
  }
}

/** As `readCar`, for a reader that knows where it wants a block and when it must be verified. */
export class CarReader {
  readonly #input: CarInput;
  readonly #leisure = new Leisure();
  #blocks = 0;
  #hasBegun = false;

  constructor(private readonly source: ByteSource, private readonly limits: CarLimits) {
    this.#input = new CarInput(source, limits);
  }

  /**
   * @param place filled when the next block is the one that is wanted there and as long
   * @returns null at the end
   * @throws KhachapuriError `invalid_input`
   */
  async next(place?: Place): Promise<CarBlock | null> {
    if (!this.#hasBegun) await readHeader(this.#input);
    this.#hasBegun = true;
    const length = await this.#input.varint("end allowed");
    if (length === null) return null;
    if (++this.#blocks > this.limits.blocksMax) {
      throw malformed(`more than ${this.limits.blocksMax} blocks`);
    }
    const block = await readSection(this.#input, length, place);
    const verified = this.#leisure.slice(length, () => isContentOf(block.cid, block.bytes))
      .then((isContent) => {
        if (!isContent) throw mismatch(block.cid);
      });
    // Who reads on may come to await it later.
    verified.catch(() => {});
    return { ...block, verified };
  }

  /** Gives up what is left. */
  cancel(): void {
    this.source.cancel();
  }
}

async function readHeader(input: CarInput): Promise<void> {
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
async function readSection(
  input: CarInput,
  length: number,
  place: Place | undefined,
): Promise<Block> {
  if (length === 0 || length > CAR_CID_BYTES_MAX + BLOCK_BYTES_MAX) {
    throw malformed(`a section of ${length} bytes`);
  }
  input.count(length);
  const { cid, length: cidBytes } = decodeSectionCid(
    await input.peek(Math.min(length, CAR_CID_BYTES_MAX)),
  );
  const size = length - cidBytes;
  if (size > BLOCK_BYTES_MAX) throw malformed(`a section of ${length} bytes`);
  input.skip(cidBytes);
  const isWanted = size === place?.bytes.length && blockKey(cid) === place.key;
  return { cid, bytes: await input.read(size, isWanted ? place.bytes : undefined) };
}

function decodeSectionCid(section: Uint8Array): { cid: CID; length: number } {
  try {
    const decoded = decodeContentCid(section);
    const { code, size } = decoded.cid.multihash;
    if (!isCheckable(decoded.cid)) {
      throw new Error(`hash 0x${code.toString(16)} of ${size} bytes, which we can't check`);
    }
    if (!isInline(decoded.cid)) return decoded;
  } catch (cause) {
    throw malformed(cause instanceof Error ? cause.message : String(cause), cause);
  }
  throw malformed("an identity CID, which is never in a CAR");
}

function ascii(text: string): number[] {
  return [...new TextEncoder().encode(text)];
}

/** The failure of bytes that are not what `cid` says. */
export function mismatch(cid: CID): KhachapuriError {
  return new KhachapuriError("ipfs_mismatch", `received bytes that are not ${formatCid(cid)}`);
}

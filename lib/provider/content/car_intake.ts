/**
 * A CARv1 on its way in, checked as it comes: bytes are hashed when they arrive, so that while they
 * are written the next ones can come, and no block of a file is held. Only blocks with links are,
 * one at a time.
 */
import { createHash, type Hash } from "node:crypto";
import {
  type CID,
  cidOfDigest,
  type CidParts,
  cidParts,
  DAG_CODECS,
  formatCid,
  isIdentity,
  RAW,
} from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { headerNaming, mismatch } from "../../ipfs/car.ts";
import { linksOf } from "../../ipfs/links.ts";
import { decodeVarint } from "../../ipfs/varint.ts";
import type { Leisure, Steps } from "../../leisure.ts";
import { BLOCK_BYTES_MAX, CAR_HEADER_BYTES_MAX } from "../../limits.ts";
import { type BlockName, DagTally, unusable } from "./dag_tally.ts";

/** Where a block is in a CAR. */
export interface BlockPlace {
  /** In hex. */
  readonly digest: string;
  /** Of its first byte. */
  readonly offset: number;
  readonly length: number;
}

/** The block whose bytes are coming. */
interface Coming {
  readonly name: BlockName;
  readonly offset: number;
  readonly length: number;
  readonly hash: Hash;
  /** What has come of one with links; null for bytes of a file. */
  readonly held: Uint8Array | null;
  came: number;
}

const CARV2_VERSION = 2;
/** Of a cid of version 1 under sha2-256. */
const CID_BYTES = 36;

/** What a block or a link takes beside its bytes, as bytes that take as long. */
const ITEM_WORK = 8 * 1024;
/** Work between two steps, as bytes. */
const STEP_WORK = 256 * 1024;
const NOTHING = new Uint8Array();

export class CarIntake {
  readonly #tally: DagTally;
  readonly #places: BlockPlace[] = [];
  readonly #headers: readonly Uint8Array[];
  /** What came before of a length, a header or a cid that is not whole. */
  #head: Uint8Array = NOTHING;
  #expects: "header length" | "header" | "section length" | "cid" | "block" = "header length";
  /** Of the header, or of the section: cid and block. */
  #length = 0;
  #coming: Coming | null = null;
  #taken = 0;
  #verified = 0;
  /** Since the last step. */
  #work = 0;

  /** @param bytes of the whole CAR, as announced */
  constructor(root: CID, private readonly bytes: number) {
    this.#tally = new DagTally({ code: root.code, digest: root.multihash.digest.toHex() });
    this.#headers = [headerNaming(root.toV1()), ...headerOfZero(root)];
  }

  /** Bytes up to the end of the last block that was checked: those before need not come again. */
  get verified(): number {
    return this.#verified;
  }

  get taken(): number {
    return this.#taken;
  }

  /**
   * Takes the bytes that come next.
   * @throws KhachapuriError `invalid_input`, `ipfs_mismatch` when a block is not what its cid says
   */
  *take(bytes: Uint8Array): Steps<void> {
    if (this.#taken + bytes.length > this.bytes) throw unusable(`more than ${this.bytes} bytes`);
    for (let at = 0; at < bytes.length;) {
      const came = this.#coming
        ? takeBlock(this.#coming, bytes.subarray(at, at + STEP_WORK))
        : this.#takeHead(bytes.subarray(at, at + CAR_HEADER_BYTES_MAX));
      at += came;
      this.#taken += came;
      yield* this.#worked(came);
      if (this.#coming && this.#coming.came === this.#coming.length) {
        yield* this.#endBlock(this.#coming);
      }
    }
  }

  /**
   * All has come.
   * @returns where each block is
   * @throws KhachapuriError `invalid_input` when it is not the whole DAG and nothing beside it
   */
  *end(): Steps<readonly BlockPlace[]> {
    if (this.#taken < this.bytes) {
      throw unusable(`it ends after ${this.#taken} of ${this.bytes} bytes`);
    }
    if (this.#verified < this.#taken) {
      throw unusable(`its last ${this.#taken - this.#verified} bytes are no whole block`);
    }
    yield* this.#tally.assertWhole();
    return this.#places;
  }

  *#worked(work: number): Steps<void> {
    this.#work += work;
    if (this.#work < STEP_WORK) return;
    yield this.#work;
    this.#work = 0;
  }

  *#endBlock({ name, offset, length, hash, held }: Coming): Steps<void> {
    const { digest } = name;
    if (hash.digest("hex") !== digest) throw mismatch(cidOf(name));
    const noteLink = this.#tally.add(name);
    yield* this.#worked(ITEM_WORK);
    if (held !== null) {
      for (const link of linksIn(name, held)) {
        noteLink(link);
        yield* this.#worked(ITEM_WORK);
      }
    }
    this.#places.push({ digest, offset, length });
    this.#coming = null;
    this.#verified = this.#taken;
    this.#expects = "section length";
  }

  /** @returns how many of the bytes were taken */
  #takeHead(bytes: Uint8Array): number {
    const before = this.#head.length;
    const head = before === 0 ? bytes : joined(this.#head, bytes);
    const length = this.#headIn(head, this.#taken - before);
    this.#head = length === null ? head.slice() : NOTHING;
    return length === null ? bytes.length : length - before;
  }

  /**
   * Takes what is expected from the beginning of `head`.
   * @param at where that is in the CAR
   * @returns its length; null when it is not whole
   */
  #headIn(head: Uint8Array, at: number): number | null {
    if (this.#expects === "cid") {
      const length = Math.min(cidLength(head), this.#length);
      if (head.length < length) return null;
      this.#beginBlock(head.subarray(0, length), at + length);
      return length;
    }
    if (this.#expects === "header") {
      if (head.length < this.#length) return null;
      this.#endHeader(head.subarray(0, this.#length), at + this.#length);
      return this.#length;
    }
    const length = decodeVarint(head);
    if (length.kind === "wrong") throw unusable(length.why);
    if (length.kind === "cut off") return null;
    this.#endLength(length.value);
    return length.length;
  }

  #endLength(length: number): void {
    const isHeader = this.#expects === "header length";
    const most = isHeader ? CAR_HEADER_BYTES_MAX : CID_BYTES + BLOCK_BYTES_MAX;
    if (length === 0 || length > most) {
      throw unusable(`a ${isHeader ? "header" : "section"} of ${length} bytes`);
    }
    this.#length = length;
    this.#expects = isHeader ? "header" : "cid";
  }

  #endHeader(header: Uint8Array, end: number): void {
    if (!this.#headers.some((other) => isSame(other, header))) {
      const isSecond = header.length < 12 && header.at(-1) === CARV2_VERSION;
      throw unusable(
        isSecond ? "it is a CARv2" : "its header does not name the one root announced",
      );
    }
    this.#expects = "section length";
    this.#verified = end;
  }

  #beginBlock(head: Uint8Array, offset: number): void {
    const name = nameIn(head);
    const length = this.#length - head.length;
    const held = name.code === RAW ? null : new Uint8Array(length);
    this.#coming = { name, offset, length, hash: createHash("sha256"), held, came: 0 };
    this.#expects = "block";
  }
}

/** Takes the bytes that come next. */
export type TakeBytes = (bytes: Uint8Array) => Promise<void>;

/** Into an intake, while calls go on. */
export function takingInto(intake: CarIntake, leisure: Leisure): TakeBytes {
  return (bytes) => leisure.steps(intake.take(bytes));
}

/** @returns how many of the bytes are the block's */
function takeBlock(coming: Coming, bytes: Uint8Array): number {
  const part = bytes.subarray(0, coming.length - coming.came);
  coming.hash.update(part);
  coming.held?.set(part, coming.came);
  coming.came += part.length;
  return part.length;
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
  const all = new Uint8Array(one.length + other.length);
  all.set(one);
  all.set(other, one.length);
  return all;
}

/** Some writers name a root of version 0 as such. */
function headerOfZero(root: CID): Uint8Array[] {
  try {
    return [headerNaming(root.toV0())];
  } catch {
    return [];
  }
}

/** Version 0 is the hash alone; any other has a version and a codec before it. */
function cidLength(head: Uint8Array): number {
  return head[0] === 0x12 ? CID_BYTES - 2 : CID_BYTES;
}

function nameIn(head: Uint8Array): BlockName {
  let parts: CidParts;
  try {
    parts = cidParts(head, DAG_CODECS);
  } catch (cause) {
    throw unusable(cause instanceof Error ? cause.message : String(cause), cause);
  }
  if (isIdentity(parts.hash)) throw unusable("an identity CID, which is never in a CAR");
  return nameOf(parts);
}

function nameOf({ code, digest }: CidParts): BlockName {
  return { code, digest: digest.toHex() };
}

function cidOf({ code, digest }: BlockName): CID {
  return cidOfDigest(code, Uint8Array.fromHex(digest));
}

/** What a block links to; what a link holds itself is looked through. */
function* linksIn(name: BlockName, bytes: Uint8Array): Generator<BlockName> {
  try {
    yield* linkedFrom(linksOf(name, bytes));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw unusable(`the links of ${formatCid(cidOf(name))} cannot be read: ${why}`, cause);
  }
}

/** An inline block has at most 128 bytes, so those in it have fewer. */
function* linkedFrom(links: readonly Uint8Array[]): Generator<BlockName> {
  for (const link of links) {
    const parts = cidParts(link, DAG_CODECS);
    if (parts.length !== link.length) {
      throw new KhachapuriError("invalid_input", "a link with bytes behind its CID");
    }
    if (isIdentity(parts.hash)) yield* linkedFrom(linksOf(parts, parts.digest));
    else yield nameOf(parts);
  }
}

/**
 * A CARv1 on its way in, checked as it comes: bytes are hashed when they arrive, so that while they
 * are written the next ones can come, and no block of a file is held. Only blocks with links are,
 * one at a time.
 */
import { createHash, type Hash } from "node:crypto";
import { type CID, DAG_CODECS, decodeCid, formatCid, isInline, RAW } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { headerNaming, mismatch } from "../../ipfs/car.ts";
import { linksOf } from "../../ipfs/links.ts";
import { decodeVarint, type Varint } from "../../ipfs/varint.ts";
import { BLOCK_BYTES_MAX, CAR_HEADER_BYTES_MAX } from "../../limits.ts";
import { DagTally, unusable } from "./dag_tally.ts";

/** Where a block is in a CAR. */
export interface BlockPlace {
  readonly digest: Uint8Array;
  /** Of its first byte. */
  readonly offset: number;
  readonly length: number;
}

/** The block whose bytes are coming. */
interface Coming {
  readonly cid: CID;
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

export class CarIntake {
  readonly #tally: DagTally;
  readonly #places: BlockPlace[] = [];
  readonly #headers: readonly Uint8Array[];
  /** What has come of a length, a header or a cid. */
  #head: number[] = [];
  #expects: "header length" | "header" | "section length" | "cid" | "block" = "header length";
  /** Of the header, or of the section: cid and block. */
  #length = 0;
  #coming: Coming | null = null;
  #taken = 0;
  #verified = 0;

  /** @param bytes of the whole CAR, as announced */
  constructor(root: CID, private readonly bytes: number) {
    this.#tally = new DagTally(root);
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
  take(bytes: Uint8Array): void {
    if (this.#taken + bytes.length > this.bytes) throw unusable(`more than ${this.bytes} bytes`);
    for (let at = 0; at < bytes.length;) {
      const came = this.#coming
        ? this.#takeBlock(this.#coming, bytes.subarray(at))
        : this.#takeHead(bytes[at]!);
      at += came;
      this.#taken += came;
      if (this.#coming && this.#coming.came === this.#coming.length) this.#endBlock(this.#coming);
    }
  }

  /**
   * All has come.
   * @returns where each block is
   * @throws KhachapuriError `invalid_input` when it is not the whole DAG and nothing beside it
   */
  end(): readonly BlockPlace[] {
    if (this.#taken < this.bytes || this.#verified < this.#taken) {
      throw unusable(`it ends after ${this.#taken} of ${this.bytes} bytes`);
    }
    this.#tally.assertWhole();
    return this.#places;
  }

  #takeBlock(coming: Coming, bytes: Uint8Array): number {
    const part = bytes.subarray(0, coming.length - coming.came);
    coming.hash.update(part);
    coming.held?.set(part, coming.came);
    coming.came += part.length;
    return part.length;
  }

  #endBlock({ cid, offset, length, hash, held }: Coming): void {
    const digest = new Uint8Array(hash.digest());
    if (!digest.every((byte, index) => byte === cid.multihash.digest[index])) throw mismatch(cid);
    this.#tally.add(cid, held === null ? [] : linksIn(cid, held));
    this.#places.push({ digest, offset, length });
    this.#coming = null;
    this.#verified = this.#taken;
    this.#expects = "section length";
  }

  /** @returns the bytes that were taken */
  #takeHead(byte: number): number {
    const head = this.#head;
    head.push(byte);
    switch (this.#expects) {
      case "header length":
      case "section length":
        this.#takeLength(decodeVarint(head));
        break;
      case "header":
        if (head.length === this.#length) this.#endHeader(Uint8Array.from(head));
        break;
      case "cid":
        if (head.length === Math.min(cidLength(head), this.#length)) {
          this.#beginBlock(Uint8Array.from(head));
        }
    }
    return 1;
  }

  #takeLength(length: Varint): void {
    if (length.kind === "wrong") throw unusable(length.why);
    if (length.kind === "whole") this.#endLength(length.value);
  }

  #endLength(length: number): void {
    const isHeader = this.#expects === "header length";
    const most = isHeader ? CAR_HEADER_BYTES_MAX : CID_BYTES + BLOCK_BYTES_MAX;
    if (length === 0 || length > most) {
      throw unusable(`a ${isHeader ? "header" : "section"} of ${length} bytes`);
    }
    this.#length = length;
    this.#expects = isHeader ? "header" : "cid";
    this.#head = [];
  }

  #endHeader(header: Uint8Array): void {
    const isSame = (other: Uint8Array) =>
      other.length === header.length && other.every((byte, index) => byte === header[index]);
    if (!this.#headers.some(isSame)) {
      const isSecond = header.length < 12 && header.at(-1) === CARV2_VERSION;
      throw unusable(
        isSecond ? "it is a CARv2" : "its header does not name the one root announced",
      );
    }
    this.#expects = "section length";
    this.#head = [];
    this.#verified = this.#taken + 1;
  }

  #beginBlock(head: Uint8Array): void {
    const cid = cidIn(head);
    const length = this.#length - head.length;
    this.#coming = {
      cid,
      offset: this.#taken + 1,
      length,
      hash: createHash("sha256"),
      held: cid.code === RAW ? null : new Uint8Array(length),
      came: 0,
    };
    this.#expects = "block";
    this.#head = [];
  }
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
function cidLength([first]: readonly number[]): number {
  return first === 0x12 ? CID_BYTES - 2 : CID_BYTES;
}

function cidIn(head: Uint8Array): CID {
  let decoded: { cid: CID; length: number };
  try {
    decoded = decodeCid(head, DAG_CODECS);
  } catch (cause) {
    throw unusable(cause instanceof Error ? cause.message : String(cause), cause);
  }
  if (isInline(decoded.cid)) throw unusable("an identity CID, which is never in a CAR");
  return decoded.cid;
}

/** What a block links to; what a link holds itself is looked through. */
function linksIn(cid: CID, bytes: Uint8Array): CID[] {
  try {
    return linkedFrom(cid, bytes);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw unusable(`the links of ${formatCid(cid)} cannot be read: ${why}`, cause);
  }
}

/** An inline block has at most 128 bytes, so those in it have fewer. */
function linkedFrom(cid: CID, bytes: Uint8Array): CID[] {
  return linksOf(cid, bytes).map(linkOf).flatMap((link) =>
    isInline(link) ? linkedFrom(link, link.multihash.digest) : [link]
  );
}

function linkOf(bytes: Uint8Array): CID {
  const { cid, length } = decodeCid(bytes, DAG_CODECS);
  if (length === bytes.length) return cid;
  throw new KhachapuriError("invalid_input", "a link with bytes behind its CID");
}

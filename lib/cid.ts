/**
 * Content identifiers, the part of https://github.com/multiformats/cid that files need:
 * raw and dag-pb content under sha2-256. Everything else is refused here, so that no other module
 * has to think about weak, truncated or unknown hashes.
 */
import { createHash } from "node:crypto";
import { base32 } from "multiformats/bases/base32";
import { base36 } from "multiformats/bases/base36";
import { base58btc } from "multiformats/bases/base58";
import { CID } from "multiformats/cid";
import { create as createDigest } from "multiformats/hashes/digest";
import { cidSlip } from "./cid_slip.ts";
import { KhachapuriError } from "./errors.ts";
import { CID_TEXT_CHARACTERS_MAX, IDENTITY_BYTES_MAX } from "./limits.ts";

export { CID };

/**
 * The canonical text of a CID, as `formatCid` writes it: one content, one text. What a provider
 * keeps, counts and logs about a deployment goes by it, from the route to the gateway.
 */
export type CidText = string & { readonly canonical: unique symbol };

/** Multicodec of a block that is nothing but bytes of a file. */
export const RAW = 0x55;
/** Multicodec of a block with links to other blocks. */
export const DAG_PB = 0x70;
/** Multicodec of data with links, which is no part of a file, but may be linked from a folder. */
export const DAG_CBOR = 0x71;

const FILE_CODECS: readonly number[] = [RAW, DAG_PB];
/** What whole DAGs may be made of. */
export const DAG_CODECS: readonly number[] = [...FILE_CODECS, DAG_CBOR];

const SHA2_256 = 0x12;
const SHA2_256_BYTES = 32;
const IDENTITY = 0x00;

/** Multicodecs of the hash functions that we check content by. */
const HASH_NAMES: Readonly<Record<number, string>> = { [SHA2_256]: "sha256", 0x13: "sha512" };

/** A block and the identifier that its bytes were, or will be, checked against. */
export interface Block {
  cid: CID;
  bytes: Uint8Array;
}

/** Of the empty file. */
const EXAMPLE = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";

const BASES = { b: base32, k: base36, z: base58btc } as const;

/**
 * Reads a CID: version 0, or version 1 in base32, base36 or base58btc (multibase b, k, z).
 * Only the canonical spelling is taken, so that one content has one name per base.
 * @throws KhachapuriError `invalid_cid`
 */
export function parseCid(text: string): CID {
  if (text.length > CID_TEXT_CHARACTERS_MAX) {
    throw noCid(`${text.slice(0, 20)}…`, `it is longer than ${CID_TEXT_CHARACTERS_MAX} characters`);
  }
  const slip = cidSlip(text);
  if (slip !== null) throw noCid(text, slip);
  const versionZero = text.startsWith("Q");
  const spelled = versionZero ? `z${text}` : text;
  const base = BASES[spelled[0] as keyof typeof BASES];
  if (base === undefined) {
    throw noCid(text, "it begins with no multibase letter that we read");
  }
  let bytes: Uint8Array;
  try {
    bytes = base.decode(spelled);
  } catch (cause) {
    throw noCid(text, `it is not valid ${base.name}`, cause);
  }
  const { cid, length } = decodeCid(bytes);
  if (length !== bytes.length) throw invalidCid(`${text} has bytes behind its hash`);
  if (base.encode(bytes) !== spelled || (cid.version === 0) !== versionZero) {
    throw noCid(text, "it is not in canonical form");
  }
  if (isInline(cid)) throw invalidCid(`${text} carries its content instead of a hash`);
  return cid;
}

/** The canonical text: version 1, base32, lower case. */
export function formatCid(cid: CID): CidText {
  return cid.toV1().toString(base32) as CidText;
}

/**
 * Decodes the CID at the beginning of `bytes`: sha2-256 with 32 bytes, or an identity hash of at
 * most 128 bytes, which only links inside a DAG may use (UnixFS, "Identity CID size limit").
 * @param codecs those to take; by default what files are made of
 * @returns the CID and how many bytes it takes
 * @throws KhachapuriError `invalid_cid`
 */
export function decodeCid(
  bytes: Uint8Array,
  codecs: readonly number[] = FILE_CODECS,
): { cid: CID; length: number } {
  const { version, code, hash, digest, length } = cidParts(bytes, codecs);
  const multihash = createDigest(hash, digest.slice());
  const cid = version === 0
    ? CID.createV0(multihash as Parameters<typeof CID.createV0>[0])
    : CID.createV1(code, multihash);
  return { cid, length };
}

/** What a CID's bytes say; reading them makes nothing that is worth a thought. */
export interface CidParts {
  readonly version: 0 | 1;
  readonly code: number;
  /** Multicodec of the hash function. */
  readonly hash: number;
  /** A view of the bytes. */
  readonly digest: Uint8Array;
  /** How many bytes it takes. */
  readonly length: number;
}

/** As `decodeCid`, for who reads very many. */
export function cidParts(bytes: Uint8Array, codecs: readonly number[] = FILE_CODECS): CidParts {
  if (bytes[0] === SHA2_256) {
    const digest = sha256Digest(bytes, 1);
    return { version: 0, code: DAG_PB, hash: SHA2_256, digest, length: 2 + SHA2_256_BYTES };
  }
  if (bytes[0] !== 1) throw invalidCid(`version ${bytes[0] ?? "missing"} is unknown`);
  const code = bytes[1];
  if (code === undefined || !codecs.includes(code)) {
    const taken = codecs === FILE_CODECS ? "neither raw nor dag-pb" : "none that is kept";
    throw invalidCid(`codec 0x${(code ?? 0).toString(16)} is ${taken}`);
  }
  if (bytes[2] === SHA2_256) {
    const digest = sha256Digest(bytes, 3);
    return { version: 1, code, hash: SHA2_256, digest, length: 4 + SHA2_256_BYTES };
  }
  if (bytes[2] !== IDENTITY) {
    throw invalidCid(`hash function 0x${(bytes[2] ?? 0).toString(16)} is not sha2-256`);
  }
  const { start, size } = identitySize(bytes);
  const digest = bytes.subarray(start, start + size);
  if (digest.length !== size) throw invalidCid("the identity hash is cut off");
  return { version: 1, code, hash: IDENTITY, digest, length: start + size };
}

/** Sizes to 127 take one varint byte, 128 (the maximum) two. */
function identitySize(bytes: Uint8Array): { start: number; size: number } {
  const first = bytes[3] ?? 0x80;
  if (first < 0x80) return { start: 4, size: first };
  if (first === 0x80 && bytes[4] === 1) return { start: 5, size: IDENTITY_BYTES_MAX };
  throw invalidCid(`an identity hash has at most ${IDENTITY_BYTES_MAX} bytes`);
}

function sha256Digest(bytes: Uint8Array, lengthAt: number): Uint8Array {
  const digest = bytes.subarray(lengthAt + 1, lengthAt + 1 + SHA2_256_BYTES);
  if (bytes[lengthAt] !== SHA2_256_BYTES || digest.length !== SHA2_256_BYTES) {
    throw invalidCid("a sha2-256 hash has exactly 32 bytes");
  }
  return digest;
}

/** The version 1 CID of content under sha2-256. */
export function cidOfDigest(code: number, digest: Uint8Array): CID {
  return CID.createV1(code, createDigest(SHA2_256, digest));
}

/** The version 1 CID of `bytes` under sha2-256. */
export function cidOf(codec: typeof RAW | typeof DAG_PB, bytes: Uint8Array): CID {
  return CID.createV1(codec, createDigest(SHA2_256, hashed("sha256", bytes)));
}

/**
 * Whether `bytes` are the content that `cid` names; never where its hash is none that we check.
 * On this thread: on another WebCrypto hashes a copy, and making that in fresh memory takes this
 * one longer than hashing does (`deno task bench ipfs`).
 */
export function isContentOf(cid: CID, bytes: Uint8Array): boolean {
  const { code, digest: expected } = cid.multihash;
  const name = HASH_NAMES[code];
  if (name === undefined && !isInline(cid)) return false;
  return isSame(expected, name === undefined ? bytes : hashed(name, bytes));
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}

/** Whether the CID carries its content itself (identity hash) and so is never transferred. */
export function isInline(cid: CID): boolean {
  return isIdentity(cid.multihash.code);
}

/** Whether this multicodec is of the hash function that leaves content as it is. */
export function isIdentity(hash: number): boolean {
  return hash === IDENTITY;
}

/** A map key for the block: the same for version 0 and 1, and for every codec. */
export function blockKey(cid: CID): string {
  return String.fromCharCode(...cid.multihash.bytes);
}

function hashed(name: string, bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash(name).update(bytes).digest());
}

function invalidCid(what: string, cause?: unknown): KhachapuriError {
  return new KhachapuriError("invalid_cid", `not a CID that we can use: ${what}`, {
    cause,
    hints: ["use a version 0 or 1 CID of a file under sha2-256, as `ipfs add` prints it"],
  });
}

function noCid(text: string, why: string, cause?: unknown): KhachapuriError {
  return new KhachapuriError("invalid_cid", `${JSON.stringify(text)} is no CID: ${why}`, {
    cause,
    hints: [`one looks like ${EXAMPLE}, as deploy and \`ipfs add\` print it`],
  });
}

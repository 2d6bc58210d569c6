/**
 * Cids of content that is kept and passed on, whatever it is: any codec, and the hashes that we can
 * check. Files and deployments take fewer (lib/cid.ts).
 */
import { base32 } from "multiformats/bases/base32";
import { base36 } from "multiformats/bases/base36";
import { base58btc } from "multiformats/bases/base58";
import { CID, DAG_PB, RAW } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import { IDENTITY_BYTES_MAX } from "../limits.ts";
import { CONTENT_CID_CHARACTERS_MAX } from "../limits_of_content.ts";

export { DAG_PB, RAW };

/** Multicodec of CBOR with links (https://ipld.io/specs/codecs/dag-cbor/spec/). */
export const DAG_CBOR = 0x71;
/** Multicodec of JSON with links. */
export const DAG_JSON = 0x0129;
/** Multicodecs of CBOR and JSON without. */
export const CBOR = 0x51;
export const JSON_CODEC = 0x0200;

/** Multicodecs of the hashes that we check, and how long each is; of an identity hash at most. */
const DIGEST_BYTES: Readonly<Record<number, number>> = { 0x12: 32, 0x13: 64 };
const IDENTITY = 0x00;

const BASES = { b: base32, k: base36, z: base58btc } as const;

/**
 * Reads the text of a cid in base32, base36 or base58btc, in its one canonical spelling.
 * @throws KhachapuriError `invalid_cid` for what is none; `not_found` for one whose hash we can't
 * check, as nothing is kept under it
 */
export function parseContentCid(text: string): CID {
  if (text.length > CONTENT_CID_CHARACTERS_MAX) {
    throw noCid(`it is longer than ${CONTENT_CID_CHARACTERS_MAX} characters`);
  }
  const isVersionZero = text.startsWith("Q");
  const spelled = isVersionZero ? `z${text}` : text;
  const base = BASES[spelled[0] as keyof typeof BASES];
  if (base === undefined) throw noCid("it begins with no multibase letter that we read");
  let bytes: Uint8Array;
  try {
    bytes = base.decode(spelled);
  } catch (cause) {
    throw noCid(`it is not valid ${base.name}`, cause);
  }
  const { cid, length } = decodeContentCid(bytes);
  if (length !== bytes.length) throw noCid("it has bytes behind its hash");
  if (base.encode(bytes) !== spelled || (cid.version === 0) !== isVersionZero) {
    throw noCid("it is not in canonical form");
  }
  if (isCheckable(cid)) return cid;
  throw new KhachapuriError(
    "not_found",
    `nothing is kept here under hash function 0x${cid.multihash.code.toString(16)}, which we ` +
      "could not check: only sha2-256 and sha2-512",
  );
}

/**
 * Decodes the cid at the beginning of `bytes`, whatever its hash.
 * @throws KhachapuriError `invalid_cid`
 */
export function decodeContentCid(bytes: Uint8Array): { cid: CID; length: number } {
  try {
    const [cid, rest] = CID.decodeFirst(bytes);
    return { cid, length: bytes.length - rest.length };
  } catch (cause) {
    throw noCid("its bytes are none", cause);
  }
}

/** Whether the content of `cid` can be told from other content, as its hash is whole and strong. */
export function isCheckable(cid: CID): boolean {
  const { code, size } = cid.multihash;
  return code === IDENTITY ? size <= IDENTITY_BYTES_MAX : size === DIGEST_BYTES[code];
}

/** A set's key for what `cid` names: of one hash its codec makes different things. */
export function contentKey(cid: CID): string {
  return `${cid.code} ${String.fromCharCode(...cid.multihash.bytes)}`;
}

function noCid(why: string, cause?: unknown): KhachapuriError {
  return new KhachapuriError("invalid_cid", `not a cid: ${why}`, {
    cause,
    hints: ["name content by a version 0 or 1 cid in base32, base36 or base58btc"],
  });
}

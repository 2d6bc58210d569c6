/**
 * Signatures of releases as minisign makes them (https://jedisct1.github.io/minisign/): Ed25519
 * (RFC 8032) over the BLAKE2b-512 (RFC 7693) of the file, and a second signature over the first one
 * and its trusted comment, so that neither can be put beside another.
 */
import { createHash, createPublicKey, verify } from "node:crypto";
import { KhachapuriError } from "../errors.ts";
import { MINISIGN_CHARS_MAX } from "../limits.ts";

/** Why a key or a signature is refused; stands in the error's data as `reason`. */
export type MinisignFault =
  | "malformed_key"
  | "malformed_signature"
  | "not_prehashed"
  | "other_key"
  | "wrong_signature"
  | "wrong_trusted_comment";

/** What a public key's text says. */
export interface MinisignKey {
  /** 16 upper-case hex digits, as minisign prints it. */
  readonly id: string;
  /** 32 bytes. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  /** The base64 line alone, as `minisign -P` takes it. */
  readonly line: string;
}

/** What a signature's text says; nothing of it is checked yet. */
export interface Minisignature {
  readonly keyId: string;
  /** Over the file's BLAKE2b-512; 64 bytes. */
  readonly signature: Uint8Array<ArrayBuffer>;
  readonly trustedComment: string;
  /** Over `signature` and `trustedComment`; 64 bytes. */
  readonly globalSignature: Uint8Array<ArrayBuffer>;
}

const UNTRUSTED = "untrusted comment: ";
const TRUSTED = "trusted comment: ";
const ID_BYTES = 8;
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** Of a key, and of a signature over the file itself, which old releases of minisign made. */
const PURE = "Ed";
/** Of a signature over the file's BLAKE2b-512, minisign's own since 0.10. */
const PREHASHED = "ED";
/** What could move a terminal's cursor or turn the order of letters. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

function fault(
  reason: MinisignFault,
  message: string,
  hints: readonly string[] = [],
): KhachapuriError {
  const isMalformed = reason.startsWith("malformed");
  const code = isMalformed ? "invalid_input" : "invalid_signature";
  return new KhachapuriError(code, message, { hints, data: { reason } });
}

/** Lines without their ends, which may be a Windows editor's; null when it is too long. */
function linesOf(text: string): string[] | null {
  if (text.length > MINISIGN_CHARS_MAX) return null;
  return text.replace(/\r?\n$/, "").split(/\r?\n/);
}

/** Canonical base64 of exactly `size` bytes; null when it is not. */
function fixedBytes(text: string, size: number): Uint8Array<ArrayBuffer> | null {
  // Anything else the decoder might take: white space, missing padding, stray bits.
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return null;
  if (text.length !== Math.ceil(size / 3) * 4) return null;
  try {
    const bytes = Uint8Array.fromBase64(text, { lastChunkHandling: "strict" });
    return bytes.length === size ? bytes : null;
  } catch {
    return null;
  }
}

/**
 * Points of an order below 9, of either sign, in their canonical form: under such a key one
 * signature is good for every file (RFC 7748, section 7; libsodium refuses them, too).
 */
const SMALL_ORDER: ReadonlySet<string> = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]);
/** From here on a coordinate has another, canonical form: p = 2^255 - 19. */
const NOT_CANONICAL = /^(?:ed|ee|ef|f.)(?:ff){30}7f$/;

function isSoundPoint(publicKey: Uint8Array): boolean {
  const unsigned = publicKey.slice();
  unsigned[KEY_BYTES - 1]! &= 0x7f;
  const hex = unsigned.toHex();
  return !SMALL_ORDER.has(hex) && !NOT_CANONICAL.test(hex);
}

const algorithmOf = (bytes: Uint8Array) => String.fromCharCode(bytes[0]!, bytes[1]!);

/** minisign writes the eight bytes of a key's id as one little-endian number. */
function idOf(bytes: Uint8Array): string {
  return bytes.slice(2, 2 + ID_BYTES).reverse().toHex().toUpperCase();
}

/**
 * Reads a public key: the text of a `.pub` file, or its second line alone ("RW…").
 * @throws KhachapuriError `invalid_input` (malformed_key)
 */
export function parseMinisignKey(text: string): MinisignKey {
  const lines = linesOf(text);
  const [line = ""] = lines?.slice(-1) ?? [];
  const isFramed = lines?.length === 1 ||
    (lines?.length === 2 && lines[0]!.startsWith(UNTRUSTED));
  const bytes = isFramed ? fixedBytes(line, 2 + ID_BYTES + KEY_BYTES) : null;
  if (!bytes || algorithmOf(bytes) !== PURE || !isSoundPoint(bytes.slice(2 + ID_BYTES))) {
    throw fault("malformed_key", "this is no public key of minisign", [
      "a public key is one line that begins with RW, or the file of two lines that holds it",
    ]);
  }
  return { id: idOf(bytes), publicKey: bytes.slice(2 + ID_BYTES), line };
}

function malformed(what: string): KhachapuriError {
  return fault("malformed_signature", `this is no signature of minisign: ${what}`, [
    "take the .minisig file that was published beside the release",
  ]);
}

/**
 * Reads a signature's text: four lines, and nothing behind them.
 * @throws KhachapuriError `invalid_input` (malformed_signature), `invalid_signature`
 * (not_prehashed)
 */
export function parseMinisignature(text: string): Minisignature {
  const lines = linesOf(text);
  if (lines?.length !== 4) throw malformed("it has to have four lines");
  const [untrusted, first, trusted, second] = lines as [string, string, string, string];
  if (!untrusted.startsWith(UNTRUSTED)) throw malformed(`line 1 is no "${UNTRUSTED.trim()}"`);
  if (!trusted.startsWith(TRUSTED)) throw malformed(`line 3 is no "${TRUSTED.trim()}"`);
  const trustedComment = trusted.slice(TRUSTED.length);
  // minisign itself puts tabs between its facts.
  if (UNPRINTABLE.test(trustedComment.replaceAll("\t", " "))) {
    throw malformed("its trusted comment holds what cannot be printed");
  }
  const bytes = fixedBytes(first, 2 + ID_BYTES + SIGNATURE_BYTES);
  if (!bytes) throw malformed("line 2 is not base64 of 74 bytes");
  const globalSignature = fixedBytes(second, SIGNATURE_BYTES);
  if (!globalSignature) throw malformed("line 4 is not base64 of 64 bytes");
  const algorithm = algorithmOf(bytes);
  if (algorithm === PURE) {
    throw fault("not_prehashed", "this signature is of minisign's legacy kind", [
      "sign it without minisign's -l",
    ]);
  }
  if (algorithm !== PREHASHED) throw malformed("its algorithm is not known");
  const signature = bytes.slice(2 + ID_BYTES);
  return { keyId: idOf(bytes), signature, trustedComment, globalSignature };
}

function isSignedBy(key: MinisignKey, message: Uint8Array, signature: Uint8Array): boolean {
  const x = key.publicKey.toBase64({ alphabet: "base64url", omitPadding: true });
  try {
    const jwk = { kty: "OKP", crv: "Ed25519", x };
    return verify(null, message, createPublicKey({ format: "jwk", key: jwk }), signature);
  } catch {
    // Not every 32 bytes are a point of the curve.
    return false;
  }
}

/** What a signature that holds says of the file. */
export interface VerifiedFile {
  readonly keyId: string;
  /** As the signer wrote it; signed with the file. */
  readonly trustedComment: string;
}

/**
 * Checks a detached signature over `bytes`.
 * @param signatureText the text of the `.minisig` file
 * @param publicKeyText the text of a `.pub` file, or the key alone ("RW…")
 * @throws KhachapuriError `invalid_input` (malformed_key, malformed_signature) or
 * `invalid_signature` (not_prehashed, other_key, wrong_signature, wrong_trusted_comment): the
 * reason is in the error's data
 */
export function verifyMinisig(
  bytes: Uint8Array,
  signatureText: string,
  publicKeyText: string,
): VerifiedFile {
  const key = parseMinisignKey(publicKeyText);
  const { keyId, signature, trustedComment, globalSignature } = parseMinisignature(signatureText);
  if (keyId !== key.id) {
    throw fault("other_key", `it is signed by the key ${keyId}, and ${key.id} is trusted`, [
      "compare the key with the one that the project publishes, then say it with --key",
    ]);
  }
  const digest = createHash("blake2b512").update(bytes).digest();
  if (!isSignedBy(key, digest, signature)) {
    throw fault("wrong_signature", "the signature is not of this file: do not use the file", [
      "fetch the file and its .minisig again",
    ]);
  }
  if (!isSignedBy(key, globalMessage(signature, trustedComment), globalSignature)) {
    throw fault("wrong_trusted_comment", "the trusted comment was changed: do not use the file", [
      "fetch the .minisig again",
    ]);
  }
  return { keyId, trustedComment };
}

/** What the second signature of a `.minisig` is over. */
export function globalMessage(signature: Uint8Array, trustedComment: string): Uint8Array {
  const comment = new TextEncoder().encode(trustedComment);
  const message = new Uint8Array(signature.length + comment.length);
  message.set(signature);
  message.set(comment, signature.length);
  return message;
}

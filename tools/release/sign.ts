/**
 * Signs as minisign does, with its own secret keys: Ed25519 (RFC 8032) over BLAKE2b-512 (RFC 7693).
 * The same key, file and comment give the same signature, so a signed release is reproducible, too.
 */
import { Buffer } from "node:buffer";
import { createHash, createPrivateKey, type KeyObject, scryptSync, sign } from "node:crypto";
import { blake2b } from "@noble/hashes/blake2.js";
import { globalMessage } from "../../lib/release/minisign.ts";

/** A secret key that is open. */
export interface SigningKey {
  /** Eight bytes, as they stand in keys and signatures. */
  readonly id: Uint8Array;
  readonly secret: KeyObject;
  /** minisign's line of the public half. */
  readonly publicLine: string;
}

/** Of a key without a password, and of one whose second part is hidden by scrypt. */
const OPEN = "\0\0";
const BY_SCRYPT = "Sc";
/** id, seed, public key, checksum. */
const HIDDEN_BYTES = 8 + 32 + 32 + 32;
const HEAD_BYTES = 2 + 2 + 2 + 32 + 8 + 8;
/** minisign's own cost is 1 GiB; more is a mistake or an attack. */
const MEMORY_BYTES = 1n << 30n;

/** Whether a password is needed. */
export function isLocked(secretKeyText: string): boolean {
  return textOf(bytesOf(secretKeyText).subarray(2, 4)) === BY_SCRYPT;
}

/**
 * Opens the text of a minisign secret key.
 * @throws Error when it is none, or the password is not its own
 */
export function openSecretKey(secretKeyText: string, password: string): SigningKey {
  const bytes = bytesOf(secretKeyText);
  const algorithm = textOf(bytes.subarray(2, 4));
  const hidden = bytes.slice(HEAD_BYTES);
  if (algorithm === BY_SCRYPT) {
    const pad = padOf(bytes, password);
    for (const [index, byte] of pad.entries()) hidden[index]! ^= byte;
  } else if (algorithm !== OPEN) throw notAKey();
  const [id, seed, point, sum] = [
    hidden.slice(0, 8),
    hidden.slice(8, 40),
    hidden.slice(40, 72),
    hidden.slice(72),
  ] as const;
  // A key without a password has no checksum (minisign -W leaves it zero).
  if (algorithm === BY_SCRYPT && Buffer.compare(sumOf(bytes, hidden), sum) !== 0) {
    throw new Error("the password is not that of the secret key");
  }
  const jwk = { kty: "OKP", crv: "Ed25519", d: base64url(seed), x: base64url(point) };
  const publicLine = Buffer.concat([Buffer.from("Ed"), id, point]).toString("base64");
  return { id, secret: createPrivateKey({ format: "jwk", key: jwk }), publicLine };
}

function notAKey(): Error {
  return new Error("this is no secret key of minisign");
}

function bytesOf(text: string): Uint8Array {
  const [comment = "", line = "", ...rest] = text.trimEnd().split(/\r?\n/);
  const bytes = Buffer.from(line, "base64");
  const isKey = comment.startsWith("untrusted comment: ") && rest.length === 0 &&
    bytes.length === HEAD_BYTES + HIDDEN_BYTES && textOf(bytes.subarray(0, 2)) === "Ed" &&
    // "B2", which a key without a password may leave out.
    /^(?:B2|\0\0)$/.test(textOf(bytes.subarray(4, 6)));
  if (!isKey) throw notAKey();
  return bytes;
}

/** The bytes that hide a key, made of its password as libsodium does with these limits. */
function padOf(bytes: Uint8Array, password: string): Uint8Array {
  const salt = bytes.slice(6, 38);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const { N, r, p } = scryptCost(view.getBigUint64(38, true), view.getBigUint64(46, true));
  const maxmem = 129 * N * r + 256 * r * p;
  return scryptSync(password, salt, HIDDEN_BYTES, { N, r, p, maxmem });
}

/** libsodium's choice of scrypt's cost (crypto_pwhash_scryptsalsa208sha256, `pickparams`). */
export function scryptCost(operations: bigint, memory: bigint): { N: number; r: 8; p: number } {
  if (memory > MEMORY_BYTES || operations > 1n << 40n) {
    throw new Error("the secret key asks for more work than minisign ever does");
  }
  const most = operations < 32_768n ? 32_768n : operations;
  const isShort = most < memory / 32n;
  const limit = (isShort ? most / 32n : memory / 1_024n) / 2n;
  let log = 1n;
  while (1n << log <= limit) log++;
  return { N: 2 ** Number(log), r: 8, p: isShort ? 1 : Number((most / 4n >> log) / 8n) };
}

/** Tells a wrong password from the right one; BLAKE2b-256, which node:crypto has not. */
function sumOf(bytes: Uint8Array, hidden: Uint8Array): Uint8Array {
  const signed = Buffer.concat([bytes.subarray(0, 2), hidden.subarray(0, 72)]);
  return blake2b(signed, { dkLen: 32 });
}

const textOf = (bytes: Uint8Array) => String.fromCharCode(...bytes);
const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url");

/**
 * The text of a `.minisig` file.
 * @param trustedComment one line; whoever verifies is shown it
 */
export function signFile(bytes: Uint8Array, key: SigningKey, trustedComment: string): string {
  if (/[\r\n]/.test(trustedComment)) throw new Error("a trusted comment is one line");
  const signature = sign(null, createHash("blake2b512").update(bytes).digest(), key.secret);
  const global = sign(null, globalMessage(signature, trustedComment), key.secret);
  const line = Buffer.concat([Buffer.from("ED"), key.id, signature]).toString("base64");
  return "untrusted comment: signature of a Khachapuri release\n" + `${line}\n` +
    `trusted comment: ${trustedComment}\n${global.toString("base64")}\n`;
}

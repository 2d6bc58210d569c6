/**
 * A program that only its providers may read: the zip under XChaCha20-Poly1305 with a random key
 * that travels inside the encrypted spec. Layout: 24 bytes nonce, then ciphertext and tag.
 */
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { KhachapuriError } from "../errors.ts";

const NONCE_BYTES = 24;
const KEY_BYTES = 32;
/** Binds the ciphertext to its purpose. */
const CONTEXT = new TextEncoder().encode("khachapuri program v1");

export interface PrivateProgram {
  bytes: Uint8Array;
  /** base64url of 32 bytes; goes into the spec's `program.key`. */
  key: string;
}

/** Encrypts a program zip under a fresh key; the same zip gives other bytes each time. */
export function encryptProgram(zip: Uint8Array): PrivateProgram {
  const key = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const sealed = xchacha20poly1305(key, nonce, CONTEXT).encrypt(zip);
  const bytes = new Uint8Array(NONCE_BYTES + sealed.length);
  bytes.set(nonce);
  bytes.set(sealed, NONCE_BYTES);
  return { bytes, key: key.toBase64({ alphabet: "base64url", omitPadding: true }) };
}

/**
 * Decrypts a program zip.
 * @throws KhachapuriError `invalid_program` when the key is not its key or the bytes are damaged
 */
export function decryptProgram(bytes: Uint8Array, key: string): Uint8Array {
  try {
    const cipher = xchacha20poly1305(
      Uint8Array.fromBase64(key, { alphabet: "base64url", lastChunkHandling: "loose" }),
      bytes.subarray(0, NONCE_BYTES),
      CONTEXT,
    );
    return cipher.decrypt(bytes.subarray(NONCE_BYTES));
  } catch (cause) {
    throw new KhachapuriError("invalid_program", "the program does not decrypt with its key", {
      cause,
    });
  }
}

/**
 * A program that only its providers may read: the zip under XChaCha20-Poly1305 with a random key
 * that travels inside the encrypted spec. Layout: 24 bytes nonce, then ciphertext and tag.
 */
import { hchacha, xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { createDecipheriv, type DecipherChaCha20Poly1305 } from "node:crypto";
import { KhachapuriError } from "../errors.ts";
import { Leisure, type Steps } from "../leisure.ts";

const NONCE_BYTES = 24;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
/** Binds the ciphertext to its purpose. */
const CONTEXT = new TextEncoder().encode("khachapuri program v1");
/** ChaCha's constant (RFC 8439 §2.3). */
const SIGMA = new TextEncoder().encode("expand 32-byte k");
/** Decrypted in one go, about a millisecond. */
const SLICE_BYTES = 1024 * 1024;

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
 * Decrypts a program zip, in slices: a large one would keep the event loop for a third of a second.
 * @throws KhachapuriError `invalid_program` when the key is not its key or the bytes are damaged
 */
export async function decryptProgram(
  bytes: Uint8Array,
  key: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const decryption = new ProgramDecryption(bytes.length, key);
  const zip = new Uint8Array(decryption.zipBytes);
  await new Leisure().steps(decrypting(decryption, bytes, zip));
  decryption.end();
  return zip;
}

function* decrypting(
  decryption: ProgramDecryption,
  bytes: Uint8Array,
  zip: Uint8Array,
): Steps<void> {
  let filled = 0;
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    const slice = bytes.subarray(at, at + SLICE_BYTES);
    const plain = decryption.update(slice);
    zip.set(plain, filled);
    filled += plain.length;
    yield slice.length;
  }
}

/**
 * Decrypts a program's zip as it comes. What it gives is worth nothing before `end` has said that
 * it is the whole of it, and as it was encrypted.
 */
export class ProgramDecryption {
  readonly zipBytes: number;
  readonly #nonce = new Uint8Array(NONCE_BYTES);
  readonly #tag = new Uint8Array(TAG_BYTES);
  #cipher: DecipherChaCha20Poly1305 | null = null;
  #at = 0;

  /** @throws KhachapuriError `invalid_program` when so many bytes can't be one */
  constructor(bytes: number, private readonly key: string) {
    this.zipBytes = bytes - NONCE_BYTES - TAG_BYTES;
    if (this.zipBytes < 0) throw undecryptable();
  }

  /** @throws KhachapuriError `invalid_program` when the key is none */
  update(bytes: Uint8Array): Uint8Array {
    const sealed = this.#take(bytes, NONCE_BYTES, this.zipBytes);
    this.#nonce.set(this.#take(bytes, 0, NONCE_BYTES), Math.min(this.#at, NONCE_BYTES));
    const tagAt = NONCE_BYTES + this.zipBytes;
    this.#tag.set(this.#take(bytes, tagAt, TAG_BYTES), Math.max(0, this.#at - tagAt));
    this.#at += bytes.length;
    if (this.#at < NONCE_BYTES) return sealed;
    this.#cipher ??= decipherOf(this.#nonce, this.key, this.zipBytes);
    return sealed.length === 0 ? sealed : this.#cipher.update(sealed);
  }

  /** @throws KhachapuriError `invalid_program` when the key is not its key or it is damaged */
  end(): void {
    if (this.#cipher === null) throw undecryptable();
    try {
      this.#cipher.setAuthTag(this.#tag);
      this.#cipher.final();
    } catch (cause) {
      throw undecryptable(cause);
    }
  }

  /** The part of the next bytes that lies in so many at `from` of the whole. */
  #take(bytes: Uint8Array, from: number, length: number): Uint8Array {
    const within = (at: number) => Math.min(Math.max(0, at - this.#at), bytes.length);
    return bytes.subarray(within(from), within(from + length));
  }
}

/** XChaCha20 is ChaCha20 under a key of the nonce's first half (draft-irtf-cfrg-xchacha-03). */
function decipherOf(
  bytes: Uint8Array,
  key: string,
  plaintextLength: number,
): DecipherChaCha20Poly1305 {
  const subkey = new Uint32Array(KEY_BYTES / 4);
  hchacha(words(SIGMA), words(parseKey(key)), words(bytes.subarray(0, 16)), subkey);
  const nonce = new Uint8Array(12);
  nonce.set(bytes.subarray(16, NONCE_BYTES), 4);
  const options = { authTagLength: TAG_BYTES };
  const cipher = createDecipheriv(
    "chacha20-poly1305",
    new Uint8Array(subkey.buffer),
    nonce,
    options,
  );
  return cipher.setAAD(CONTEXT, { plaintextLength });
}

function parseKey(text: string): Uint8Array {
  try {
    const key = Uint8Array.fromBase64(text, { alphabet: "base64url", lastChunkHandling: "loose" });
    if (key.length === KEY_BYTES) return key;
  } catch (cause) {
    throw undecryptable(cause);
  }
  throw undecryptable();
}

function words(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.slice().buffer);
}

function undecryptable(cause?: unknown): KhachapuriError {
  return new KhachapuriError("invalid_program", "the program does not decrypt with its key", {
    cause,
  });
}

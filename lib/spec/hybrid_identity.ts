/**
 * age's post-quantum identity (`mlkem768x25519`, https://age-encryption.org/v1) on the runtime's
 * own cryptography: X-Wing (draft-connolly-cfrg-xwing-kem), HPKE in base mode (RFC 9180). Anybody
 * can have us try a file's stanzas. In JavaScript sixteen of them keep the event loop for 25 ms;
 * here it turns between any two, and all take a fifth (`deno task bench attacks`, "envelopes").
 */
import type { Identity, Stanza } from "age-encryption";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { expand, extract } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { sha3_256, shake256 } from "@noble/hashes/sha3.js";

const KIND = "mlkem768x25519";
const MLKEM_BYTES = 1_088;
const X25519_BYTES = 32;
const MLKEM_SEED_BYTES = 64;
/** A file key and its tag. */
const BODY_BYTES = 32;
const XWING_LABEL = ascii("\\.//^\\");
const INFO = ascii(`age-encryption.org/${KIND}`);
/** KEM X-Wing, KDF HKDF-SHA256, AEAD ChaCha20Poly1305. */
const SUITE = concat(ascii("HPKE"), Uint8Array.of(0x64, 0x7a, 0x00, 0x01, 0x00, 0x03));
const HPKE_VERSION = ascii("HPKE-v1");
const MODE_BASE = 0;
const X25519_BASE = Uint8Array.from({ length: X25519_BYTES }, (_, index) => index === 0 ? 9 : 0);
const BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const CHECKSUM_CHARACTERS = 6;
/** PKCS #8 around an X25519 private key (RFC 8410 §7). */
const PKCS8_X25519 = Uint8Array.fromHex("302e020100300506032b656e04220420");

/** What the types of the runtime do not name yet. */
interface Encapsulation {
  importKey(
    format: "raw-seed",
    seed: Uint8Array<ArrayBuffer>,
    algorithm: "ML-KEM-768",
    extractable: false,
    usages: ["decapsulateBits"],
  ): Promise<CryptoKey>;
  decapsulateBits(
    algorithm: "ML-KEM-768",
    key: CryptoKey,
    share: Uint8Array<ArrayBuffer>,
  ): Promise<ArrayBuffer>;
}

const encapsulation = crypto.subtle as unknown as Encapsulation;

interface Keys {
  mlkem: CryptoKey;
  x25519: CryptoKey;
  x25519Public: Uint8Array;
}

export class HybridIdentity implements Identity {
  readonly #keys: Promise<Keys>;

  /** @param identity AGE-SECRET-KEY-PQ-1…, known to be one */
  constructor(identity: string) {
    this.#keys = expandKeys(seedOf(identity));
    this.#keys.catch(() => {});
  }

  async unwrapFileKey(stanzas: Stanza[]): Promise<Uint8Array | null> {
    const keys = await this.#keys;
    for (const { args, body } of stanzas) {
      if (args[0] !== KIND) continue;
      const share = parseShare(args);
      if (body.length !== BODY_BYTES) throw malformed();
      const fileKey = open(await decapsulate(keys, share), body);
      if (fileKey) return fileKey;
    }
    return null;
  }
}

/** Bech32 (BIP 173) without its checksum: whoever wrote the key file down has looked at that. */
function seedOf(identity: string): Uint8Array {
  const data = identity.slice(identity.lastIndexOf("1") + 1, -CHECKSUM_CHARACTERS).toLowerCase();
  const bits = [...data].map((letter) => BECH32.indexOf(letter).toString(2).padStart(5, "0"));
  const octets = bits.join("").match(/.{8}/g) ?? [];
  return Uint8Array.from(octets, (octet) => Number.parseInt(octet, 2));
}

function parseShare(args: readonly string[]): Uint8Array<ArrayBuffer> {
  const [, text = "", ...others] = args;
  if (others.length > 0 || text.endsWith("=")) throw malformed();
  const share = Uint8Array.fromBase64(text, { lastChunkHandling: "loose" });
  if (share.length !== MLKEM_BYTES + X25519_BYTES) throw malformed();
  return share;
}

async function expandKeys(seed: Uint8Array): Promise<Keys> {
  const expanded = shake256(seed, { dkLen: MLKEM_SEED_BYTES + X25519_BYTES });
  const mlkemSeed = expanded.slice(0, MLKEM_SEED_BYTES);
  const mlkem = await encapsulation.importKey("raw-seed", mlkemSeed, "ML-KEM-768", false, [
    "decapsulateBits",
  ]);
  const pkcs8 = concat(PKCS8_X25519, expanded.subarray(MLKEM_SEED_BYTES));
  const x25519 = await crypto.subtle.importKey("pkcs8", pkcs8, "X25519", false, ["deriveBits"]);
  return { mlkem, x25519, x25519Public: await agree(x25519, X25519_BASE) };
}

/** The secret that the share's maker and we have in common; another one where it is not for us. */
async function decapsulate(keys: Keys, share: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const [mlkemShare, x25519Share] = [share.slice(0, MLKEM_BYTES), share.slice(MLKEM_BYTES)];
  const [mlkem, x25519] = await Promise.all([
    encapsulation.decapsulateBits("ML-KEM-768", keys.mlkem, mlkemShare),
    agree(keys.x25519, x25519Share),
  ]);
  return sha3_256(
    concat(new Uint8Array(mlkem), x25519, x25519Share, keys.x25519Public, XWING_LABEL),
  );
}

async function agree(key: CryptoKey, share: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const peer = await crypto.subtle.importKey("raw", share, "X25519", false, []);
  const algorithm = { name: "X25519", public: peer };
  return new Uint8Array(await crypto.subtle.deriveBits(algorithm, key, 8 * X25519_BYTES));
}

function open(secret: Uint8Array, body: Uint8Array): Uint8Array | null {
  const context = concat(
    Uint8Array.of(MODE_BASE),
    labeledExtract("psk_id_hash", new Uint8Array()),
    labeledExtract("info_hash", INFO),
  );
  const prk = labeledExtract("secret", new Uint8Array(), secret);
  const key = labeledExpand(prk, "key", context, 32);
  const nonce = labeledExpand(prk, "base_nonce", context, 12);
  try {
    return chacha20poly1305(key, nonce).decrypt(body);
  } catch {
    return null;
  }
}

/** RFC 9180 §4. */
function labeledExtract(label: string, material: Uint8Array, salt?: Uint8Array): Uint8Array {
  return extract(sha256, concat(HPKE_VERSION, SUITE, ascii(label), material), salt);
}

function labeledExpand(
  prk: Uint8Array,
  label: string,
  info: Uint8Array,
  length: number,
): Uint8Array {
  const labeled = concat(Uint8Array.of(0, length), HPKE_VERSION, SUITE, ascii(label), info);
  return expand(sha256, prk, labeled, length);
}

function ascii(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function malformed(): Error {
  return new Error(`invalid ${KIND} stanza`);
}

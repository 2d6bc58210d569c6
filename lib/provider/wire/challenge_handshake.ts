/**
 * The server's side of one TLS 1.3 handshake (RFC 8446), as a CA begins it to see a challenge's
 * certificate (RFC 8737). rustls, which Deno's TLS is, serves no certificate with a critical
 * extension that it does not know, and this one has to have such. Nothing is said under the keys
 * that are agreed on here but the handshake itself: what is shown is public, and its key is used
 * for this alone.
 */
import { Buffer } from "node:buffer";
import {
  createCipheriv,
  createHash,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  randomBytes,
  sign,
  X509Certificate,
} from "node:crypto";
import type { KeyPair } from "./certificate.ts";
import { type ClientHello, Octets } from "./client_hello.ts";

export const CHALLENGE_PROTOCOL = "acme-tls/1";

const TLS_13 = 0x0304;
/** Which every client of TLS 1.3 has (section 9.1). */
const AES_128_GCM_SHA256 = 0x1301;
const ECDSA_P256_SHA256 = 0x0403;
/** Go's clients, which CAs look with, send a share of it first. */
const X25519 = 0x001d;
const X25519_BYTES = 32;
/** DER before a public key of it (RFC 8410). */
const X25519_SPKI = Uint8Array.fromHex("302a300506032b656e032100");

const EXTENSION = { signatureAlgorithms: 13, alpn: 16, supportedVersions: 43, keyShare: 51 };
const MESSAGE = {
  serverHello: 2,
  encryptedExtensions: 8,
  certificate: 11,
  certificateVerify: 15,
  finished: 20,
};
const RECORD = { changeCipherSpec: 20, handshake: 22, applicationData: 23 };

/** @returns all that the server says; null for a client that could not follow it */
export function showChallenge(hello: ClientHello, { cert, key }: KeyPair): Uint8Array | null {
  const share = shareOf(hello);
  if (!share) return null;
  const own = generateKeyPairSync("x25519");
  const ownShare = own.publicKey.export({ type: "spki", format: "der" }).subarray(-X25519_BYTES);
  const serverHello = serverHelloFor(hello, ownShare);
  const publicKey = createPublicKey({
    key: Buffer.from(octets(X25519_SPKI, share)),
    type: "spki",
    format: "der",
  });
  let shared: Uint8Array;
  try {
    shared = diffieHellman({ privateKey: own.privateKey, publicKey });
  } catch {
    // A point of small order.
    return null;
  }
  const agreed = octets(hello.message, serverHello);
  const secret = serverSecret(shared, agreed);
  const messages = [
    message(MESSAGE.encryptedExtensions, vector(2, alpnExtension())),
    message(MESSAGE.certificate, octets([0], vector(3, certificateEntry(cert)))),
  ];
  messages.push(verification(octets(agreed, ...messages), key));
  messages.push(finished(secret, octets(agreed, ...messages)));
  return octets(
    record(RECORD.handshake, serverHello),
    // What boxes on the way expect of a session that goes on (appendix D.4).
    hello.sessionId.length > 0 ? record(RECORD.changeCipherSpec, [1]) : [],
    encrypted(secret, octets(...messages)),
  );
}

/** The client's part of the key, where it speaks as we do. */
function shareOf({ cipherSuites, extensions }: ClientHello): Uint8Array | null {
  const listed = (type: number, lengthBytes: number) => {
    const extension = extensions.get(type);
    return extension ? new Octets(extension).vector(lengthBytes) : null;
  };
  try {
    const canFollow = cipherSuites.includes(AES_128_GCM_SHA256) &&
      listed(EXTENSION.supportedVersions, 1)?.numbers(2).includes(TLS_13) &&
      listed(EXTENSION.signatureAlgorithms, 2)?.numbers(2).includes(ECDSA_P256_SHA256);
    const shares = listed(EXTENSION.keyShare, 2);
    while (canFollow && shares && !shares.isEmpty) {
      const group = shares.number(2);
      const share = shares.vector(2).rest();
      if (group === X25519 && share.length === X25519_BYTES) return share;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return null;
}

/** Section 4.1.3. */
function serverHelloFor({ sessionId }: ClientHello, share: Uint8Array): Uint8Array {
  const extensions = octets(
    extension(EXTENSION.supportedVersions, number(2, TLS_13)),
    extension(EXTENSION.keyShare, octets(number(2, X25519), vector(2, share))),
  );
  return message(
    MESSAGE.serverHello,
    octets(
      number(2, 0x0303),
      randomBytes(32),
      vector(1, sessionId),
      number(2, AES_128_GCM_SHA256),
      [0],
      vector(2, extensions),
    ),
  );
}

function alpnExtension(): Uint8Array {
  const protocol = vector(1, new TextEncoder().encode(CHALLENGE_PROTOCOL));
  return extension(EXTENSION.alpn, vector(2, protocol));
}

function certificateEntry(pem: string): Uint8Array {
  return octets(vector(3, new Uint8Array(new X509Certificate(pem).raw)), [0, 0]);
}

/** Section 4.4.3. */
function verification(transcript: Uint8Array, key: string): Uint8Array {
  const context = new TextEncoder().encode("TLS 1.3, server CertificateVerify");
  const covered = octets(new Uint8Array(64).fill(0x20), context, [0], digest(transcript));
  const signature = new Uint8Array(sign("sha256", covered, key));
  const body = octets(number(2, ECDSA_P256_SHA256), vector(2, signature));
  return message(MESSAGE.certificateVerify, body);
}

/** Section 4.4.4. */
function finished(secret: Uint8Array, transcript: Uint8Array): Uint8Array {
  return message(MESSAGE.finished, hmac(expand(secret, "finished", 32), digest(transcript)));
}

/** Section 7.1, as far as the server's handshake. */
function serverSecret(shared: Uint8Array, transcript: Uint8Array): Uint8Array {
  const nothing = new Uint8Array(32);
  const early = hmac(nothing, nothing);
  const derived = expand(early, "derived", 32, digest(new Uint8Array()));
  return expand(hmac(derived, shared), "s hs traffic", 32, digest(transcript));
}

/** HKDF-Expand-Label; what is asked for is no longer than one digest. */
function expand(
  secret: Uint8Array,
  label: string,
  length: number,
  context: Uint8Array = new Uint8Array(),
): Uint8Array {
  const name = new TextEncoder().encode(`tls13 ${label}`);
  const info = octets(number(2, length), vector(1, name), vector(1, context), [1]);
  return hmac(secret, info).subarray(0, length);
}

/** The first record under the server's key (section 5.2). */
function encrypted(secret: Uint8Array, messages: Uint8Array): Uint8Array {
  const nonce = expand(secret, "iv", 12);
  const cipher = createCipheriv("aes-128-gcm", expand(secret, "key", 16), nonce);
  const inner = octets(messages, [RECORD.handshake]);
  const head = octets([RECORD.applicationData, 3, 3], number(2, inner.length + 16));
  cipher.setAAD(head);
  return octets(head, cipher.update(inner), cipher.final(), cipher.getAuthTag());
}

function message(type: number, body: Uint8Array): Uint8Array {
  return octets([type], vector(3, body));
}

function extension(type: number, body: Uint8Array | readonly number[]): Uint8Array {
  return octets(number(2, type), vector(2, body));
}

function record(type: number, body: Uint8Array | readonly number[]): Uint8Array {
  return octets([type, 3, 3], vector(2, body));
}

function vector(lengthBytes: number, body: Uint8Array | readonly number[]): Uint8Array {
  return octets(number(lengthBytes, body.length), body);
}

function number(bytes: number, value: number): number[] {
  return Array.from({ length: bytes }, (_, at) => value >> 8 * (bytes - 1 - at) & 0xff);
}

function octets(...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function digest(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytes).digest());
}

function hmac(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac("sha256", key).update(bytes).digest());
}

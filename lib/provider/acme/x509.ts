/** What is read of a certificate. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import type { KeyPair } from "../wire/certificate.ts";

export interface CertificateFacts {
  /** What it is for, in lower case. */
  readonly names: readonly string[];
  readonly issuer: string;
  /** ms since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Hexadecimal. */
  readonly serial: string;
  /** As the CA's renewal information names it (RFC 9773, section 4.1); null: it can't be named. */
  readonly renewalId: string | null;
}

/** The first certificate of a chain; null for what is none. */
export function readCertificate(pem: string): CertificateFacts | null {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch {
    return null;
  }
  const { validFrom, validTo, serialNumber, subjectAltName, issuer } = certificate;
  return {
    names: (subjectAltName ?? "").split(/,\s*/).flatMap((each) =>
      each.startsWith("DNS:") ? [each.slice(4).toLowerCase()] : []
    ),
    issuer: issuer.split("\n").join(", "),
    notBefore: Date.parse(validFrom),
    notAfter: Date.parse(validTo),
    serial: serialNumber.toLowerCase(),
    renewalId: renewalIdOf(new Uint8Array(certificate.raw), serialNumber),
  };
}

/** Whether TLS can be served with them. */
export function isPair({ cert, key }: KeyPair): boolean {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

/** Whether it is good for all of `names`. */
export function covers({ names }: Pick<CertificateFacts, "names">, wanted: readonly string[]) {
  return wanted.every((name) => names.includes(name));
}

/** The extension authorityKeyIdentifier (RFC 5280, section 4.2.1.1), 2.5.29.35. */
const AUTHORITY_KEY_ID = [0x06, 0x03, 0x55, 0x1d, 0x23];
const OCTET_STRING = 0x04;
const SEQUENCE = 0x30;
/** The field keyIdentifier, [0] IMPLICIT. */
const KEY_IDENTIFIER = 0x80;

function renewalIdOf(der: Uint8Array, serialHex: string): string | null {
  const key = authorityKeyOf(der);
  const digits = serialHex.length % 2 === 0 ? serialHex : `0${serialHex}`;
  if (key === null || !/^(?:[0-9a-f]{2}){1,20}$/i.test(digits)) return null;
  const serial = Uint8Array.fromHex(digits);
  // As DER has it: what would be negative has a zero before it.
  const signed = serial[0]! >= 0x80 ? Uint8Array.of(0, ...serial) : serial;
  const text = (bytes: Uint8Array) => bytes.toBase64({ alphabet: "base64url", omitPadding: true });
  return `${text(key)}.${text(signed)}`;
}

function authorityKeyOf(der: Uint8Array): Uint8Array | null {
  const at = indexOf(der, AUTHORITY_KEY_ID);
  if (at < 0) return null;
  let rest = der.subarray(at + AUTHORITY_KEY_ID.length);
  for (const tag of [OCTET_STRING, SEQUENCE, KEY_IDENTIFIER]) {
    // Such an extension is short: its lengths have one byte.
    const length = rest[1] ?? 0;
    if (rest[0] !== tag || length >= 0x80 || rest.length < 2 + length) return null;
    rest = rest.subarray(2, 2 + length);
  }
  return rest;
}

function indexOf(bytes: Uint8Array, wanted: readonly number[]): number {
  return bytes.findIndex((_, at) => wanted.every((byte, index) => bytes[at + index] === byte));
}

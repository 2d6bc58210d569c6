/** The text records of a provider's name: their keys, their form, and how they are checked. */
import type { Hex } from "viem";
import { type ContractLocation, formatCaip10, parseCaip10 } from "../caip.ts";
import { KhachapuriError } from "../errors.ts";
import { RECORD_BYTES_MAX } from "../limits.ts";
import { UINT128_MAX } from "../permit.ts";
import { isConfidential } from "../web_url.ts";

/** Text keys (ENSIP-5). */
export const RECORD_KEYS = [
  "url",
  "khachapuri.age",
  "khachapuri.price",
  "khachapuri.terms",
  "khachapuri.escrow",
] as const;

export type RecordKey = typeof RECORD_KEYS[number];

/** What the text records say. */
export interface ProviderTexts {
  webDomain: string;
  recipients: string[];
  price: bigint;
  terms: Hex | null;
  escrow: ContractLocation | null;
}

/** A record's value as text; an empty text deletes the record. */
export function formatRecords(texts: ProviderTexts): Record<RecordKey, string> {
  return {
    "url": texts.webDomain,
    "khachapuri.age": texts.recipients.join(" "),
    "khachapuri.price": String(texts.price),
    "khachapuri.terms": texts.terms ?? "",
    "khachapuri.escrow": texts.escrow ? formatCaip10(texts.escrow) : "",
  };
}

/**
 * Checks every record of a name.
 * @param name for messages
 * @throws KhachapuriError `not_found` that names the missing record, `invalid_input` for a
 *   malformed or oversized one
 */
export function checkRecords(
  name: string,
  texts: Readonly<Record<RecordKey, string | null>>,
): ProviderTexts {
  const optional = (key: RecordKey) => {
    const value = texts[key];
    // Every valid record is ASCII, so its length is its bytes.
    if (value !== null && value.length > RECORD_BYTES_MAX) {
      throw malformed(name, key, `longer than ${RECORD_BYTES_MAX} bytes`);
    }
    return value === "" ? null : value;
  };
  const required = (key: RecordKey) => {
    const value = optional(key);
    if (value !== null) return value;
    throw new KhachapuriError("not_found", `${name} has no record ${key}`, {
      hints: ["its provider sets it with `khachapuri register NAME`"],
    });
  };
  const check = <T>(key: RecordKey, value: string, parse: (text: string) => Parsed<T>): T => {
    const parsed = parse(value);
    if ("fault" in parsed) throw malformed(name, key, parsed.fault);
    return parsed.value;
  };
  const terms = optional("khachapuri.terms");
  const escrow = optional("khachapuri.escrow");
  return {
    webDomain: check("url", required("url"), parseWebDomain),
    recipients: check("khachapuri.age", required("khachapuri.age"), parseRecipients),
    price: check("khachapuri.price", required("khachapuri.price"), parsePrice),
    terms: terms === null ? null : check("khachapuri.terms", terms, parseTerms),
    escrow: escrow === null ? null : check("khachapuri.escrow", escrow, parseEscrow),
  };
}

function malformed(name: string, key: RecordKey, why: string): KhachapuriError {
  return new KhachapuriError("invalid_input", `${name}: record ${key}: ${why}`);
}

/** A record's value, or what is wrong with its text. */
type Parsed<T> = { value: T } | { fault: string };

/** Permits travel to this URL: https only, or http to loopback, which stays on this machine. */
function parseWebDomain(text: string): Parsed<string> {
  if (!URL.canParse(text)) return { fault: "not a URL" };
  const url = new URL(text);
  if (!isConfidential(url)) return { fault: "must be https (or http on loopback)" };
  if (url.username || url.password) return { fault: "must not hold a user name or password" };
  if (url.search || url.hash) return { fault: "must not hold a query or a fragment" };
  return { value: url.href.replace(/\/+$/, "") };
}

// Bech32 (BIP 173) data characters; the checksum is checked where the recipient is used.
const X25519_RECIPIENT = /^age1[02-9ac-hj-np-z]{58}$/;
const HYBRID_RECIPIENT = /^age1pq1[02-9ac-hj-np-z]{1952}$/;

/** One or several, separated by white space, all post-quantum or none (age's own rule). */
function parseRecipients(text: string): Parsed<string[]> {
  const recipients = text.split(/\s+/).filter((word) => word !== "");
  if (recipients.length === 0) return { fault: "no age recipient" };
  const hybrid = recipients.filter((word) => HYBRID_RECIPIENT.test(word)).length;
  const classic = recipients.filter((word) => X25519_RECIPIENT.test(word)).length;
  if (hybrid + classic !== recipients.length) {
    return { fault: "not an age recipient (age1… or age1pq1…)" };
  }
  if (hybrid > 0 && classic > 0) return { fault: "mixes post-quantum and X25519 recipients" };
  return { value: recipients };
}

function parsePrice(text: string): Parsed<bigint> {
  if (!/^(0|[1-9][0-9]{0,38})$/.test(text)) {
    return { fault: "not a whole number of USDC base units" };
  }
  const price = BigInt(text);
  return price > UINT128_MAX ? { fault: "does not fit 128 bits" } : { value: price };
}

function parseTerms(text: string): Parsed<Hex> {
  if (!/^0x[0-9a-fA-F]{64}$/.test(text)) {
    return { fault: "not a keccak256 hash (0x and 64 hex digits)" };
  }
  return { value: text.toLowerCase() as Hex };
}

function parseEscrow(text: string): Parsed<ContractLocation> {
  const value = parseCaip10(text);
  return value ? { value } : { fault: "not a CAIP-10 contract (eip155:CHAIN:0x…)" };
}

/** Questions for TXT records, and what of an answer counts (RFC 1035, 2308, 6891). */
import { Buffer } from "node:buffer";
// @ts-types="./dns_packet.d.ts"
import * as packet from "dns-packet";
import { DNS_ALIASES_MAX, DNS_DATAGRAM_BYTES_MAX, DNS_TEXTS_MAX } from "../../limits_of_names.ts";

/** What a name server says of a name's TXT records. */
export interface TxtAnswer {
  /** Of each record the strings that it has, joined; none: there is no such record. */
  readonly texts: readonly string[];
  /** How long that may be believed, seconds; null: it does not say. */
  readonly ttl: number | null;
}

/** A datagram as somebody sent it, held against what was asked. */
export type Reading =
  | { readonly kind: "answer"; readonly answer: TxtAnswer }
  /** The rest is to be had by TCP. */
  | { readonly kind: "truncated" }
  /** The server could not, or did not want to. */
  | { readonly kind: "failure"; readonly why: string }
  /** No answer to this question: it may be anybody's. */
  | { readonly kind: "stray" };

const STRAY: Reading = { kind: "stray" };
const RCODE_MASK = 0xf;
const NO_ERROR = 0;
const NAME_ERROR = 3;

/** The question, as it goes into a datagram. */
export function txtQuestion(id: number, name: string): Uint8Array {
  return new Uint8Array(packet.encode({
    type: "query",
    id,
    flags: packet.RECURSION_DESIRED,
    questions: [{ type: "TXT", class: "IN", name }],
    additionals: [{
      type: "OPT",
      name: ".",
      udpPayloadSize: DNS_DATAGRAM_BYTES_MAX,
      extendedRcode: 0,
      ednsVersion: 0,
      flags: 0,
      options: [],
    }],
  }));
}

/** What `bytes` say to the question for `name` that was sent under `id`. */
export function readTxtAnswer(bytes: Uint8Array, id: number, name: string): Reading {
  let message: packet.DecodedPacket;
  try {
    message = packet.decode(Buffer.from(bytes));
  } catch {
    // Where the server cut off a record, the head still says whose answer it is.
    return isCutOff(bytes, id) ? { kind: "truncated" } : STRAY;
  }
  if (message.type !== "response" || message.id !== id || !asks(message, name)) return STRAY;
  if (message.flag_tc) return { kind: "truncated" };
  const rcode = message.flags & RCODE_MASK;
  if (rcode !== NO_ERROR && rcode !== NAME_ERROR) {
    return { kind: "failure", why: `it answers ${message.rcode}` };
  }
  return textsOf(message, name);
}

/** RFC 5452 section 9.1: the question comes back as it was asked. */
function asks({ questions }: packet.DecodedPacket, name: string): boolean {
  const [question] = questions;
  return questions.length === 1 && question!.type === "TXT" &&
    (question!.class ?? "IN") === "IN" && isSame(question!.name, name);
}

function isCutOff(bytes: Uint8Array, id: number): boolean {
  if (bytes.length < 12) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const flags = view.getUint16(2);
  return view.getUint16(0) === id && (flags & 0x8200) === 0x8200;
}

/** Follows aliases from the name that was asked; records of any other name count for nothing. */
function textsOf(message: packet.DecodedPacket, asked: string): Reading {
  const answers = message.answers;
  let name = asked;
  let ttl = Infinity;
  for (let aliases = 0; aliases <= DNS_ALIASES_MAX; aliases++) {
    const records = answers.filter((each): each is packet.TxtAnswer =>
      each.type === "TXT" && isSame(each.name, name)
    );
    if (records.length > 0) {
      const texts = records.slice(0, DNS_TEXTS_MAX).map(textOf);
      ttl = Math.min(ttl, ...records.map(ttlOf));
      return { kind: "answer", answer: { texts, ttl } };
    }
    const alias = answers.find((each) => each.type === "CNAME" && isSame(each.name, name));
    if (alias?.type !== "CNAME") {
      return { kind: "answer", answer: { texts: [], ttl: absenceTtl(message, ttl) } };
    }
    ttl = Math.min(ttl, ttlOf(alias));
    name = alias.data;
  }
  return { kind: "failure", why: "its aliases (CNAME) lead nowhere" };
}

/** RFC 2308 section 5: what the zone says of how long there is nothing. */
function absenceTtl({ authorities }: packet.DecodedPacket, aliasTtl: number): number | null {
  const soa = authorities.find((each) => each.type === "SOA");
  const minimum = soa?.type === "SOA" ? Math.min(ttlOf(soa), soa.data.minimum) : Infinity;
  const ttl = Math.min(aliasTtl, minimum);
  return ttl === Infinity ? null : ttl;
}

function textOf({ data }: packet.TxtAnswer): string {
  const parts = Array.isArray(data) ? data : [data];
  return parts.map((part) => typeof part === "string" ? part : Buffer.from(part).toString("latin1"))
    .join("");
}

/** RFC 2181 section 8: what has the highest bit set means 0. */
function ttlOf({ ttl = 0 }: { ttl?: number | undefined }): number {
  return ttl > 0x7fffffff ? 0 : ttl;
}

function isSame(one: string, other: string): boolean {
  return one.replace(/\.$/, "").toLowerCase() === other.replace(/\.$/, "").toLowerCase();
}

/**
 * Who sent a request that came through proxies, as far as those that are trusted say so: by
 * `Forwarded` (RFC 7239), or by `X-Forwarded-For` and `X-Forwarded-Proto`, which are older.
 */
import { type IpRanges, plainIp } from "../../ip_ranges.ts";
import type { Sender } from "./request.ts";

/**
 * What trusted proxies say it by. Only one of them is read: a proxy sets the one that it knows and
 * passes the other on as a stranger sent it.
 */
export type ForwardedField = "x-forwarded-for" | "forwarded";

export interface TrustedProxies {
  readonly addresses: IpRanges;
  readonly field: ForwardedField;
}

/** The other end of a connection. */
export interface Peer {
  readonly address: string;
  readonly isTls: boolean;
}

/** The value of a request's field, repeated ones as one list. */
export type FieldOf = (name: string) => string | null;

/**
 * Walks from the peer towards the caller for as long as each proxy on the way is trusted. What
 * stands beyond, or is no address, is nobody's word that counts.
 */
export function senderOf(peer: Peer, fieldOf: FieldOf, trusted: TrustedProxies): Sender {
  const address = plainIp(peer.address) ?? peer.address;
  const { addresses } = trusted;
  if (!addresses.has(address)) return { address, scheme: schemeOfStranger(peer, addresses) };
  let sender: Sender = { address, scheme: peer.isTls ? "https" : null };
  const hops = trusted.field === "forwarded" ? forwarded(fieldOf) : xForwarded(fieldOf);
  for (const hop of hops) {
    sender = { address: hop.address ?? sender.address, scheme: hop.scheme ?? sender.scheme };
    if (hop.address === null || !addresses.has(hop.address)) break;
  }
  return sender;
}

/** A plain connection may be a proxy's, unless all proxies are known. */
function schemeOfStranger({ isTls }: Peer, proxies: IpRanges): Sender["scheme"] {
  if (isTls) return "https";
  return proxies.isEmpty ? null : "http";
}

/** What one proxy says of the request that it was sent; null: nothing that can be read. */
interface Hop {
  readonly address: string | null;
  readonly scheme: Sender["scheme"];
}

/** The nearest proxy's word first. */
function* xForwarded(fieldOf: FieldOf): Iterable<Hop> {
  const addresses = fromTheRight(fieldOf("x-forwarded-for"));
  const schemes = fromTheRight(fieldOf("x-forwarded-proto"));
  const nearest = schemes[0];
  if (addresses.length === 0) yield { address: null, scheme: schemeOf(nearest) };
  // Each proxy adds an address; many put one scheme in the place of those before it.
  for (const [at, address] of addresses.entries()) {
    yield { address: nodeAddress(address), scheme: schemeOf(schemes[at] ?? schemes.at(-1)) };
  }
}

/** The nearest proxy's word first. */
function* forwarded(fieldOf: FieldOf): Iterable<Hop> {
  for (const element of fromTheRight(fieldOf("forwarded"))) {
    const pairs = parametersOf(element);
    yield { address: nodeAddress(pairs?.get("for") ?? ""), scheme: schemeOf(pairs?.get("proto")) };
  }
}

/**
 * A list from its end: what proxies added stands to the right of what a stranger sent, and is read
 * whatever that opens and does not close. No address and no scheme has a comma.
 */
function fromTheRight(list: string | null): string[] {
  return list === null ? [] : list.split(",").map((entry) => entry.trim()).reverse();
}

/** RFC 7239 section 4; null when it is malformed or says something twice. */
function parametersOf(element: string): ReadonlyMap<string, string> | null {
  const pairs = new Map<string, string>();
  for (const text of element.split(";")) {
    const [, name, plain, quoted] = PAIR.exec(text.trim()) ?? [];
    if (name === undefined || pairs.has(name.toLowerCase())) return null;
    pairs.set(name.toLowerCase(), quoted ?? plain ?? "");
  }
  return pairs;
}

const PAIR = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:([!#$%&'*+.^_`|~\w:[\]-]+)|"([^"\\]*)")$/;

/** The address in an RFC 7239 node, which may have a port; "unknown" and names have none. */
function nodeAddress(node: string): string | null {
  const [, bracketed, plain] = /^(?:\[([^\]]*)\]|([0-9.]+))(?::[0-9]{1,5})?$/.exec(node) ?? [];
  return plainIp(bracketed ?? plain ?? node);
}

function schemeOf(text: string | undefined): Sender["scheme"] {
  const scheme = text?.toLowerCase();
  return scheme === "http" || scheme === "https" ? scheme : null;
}

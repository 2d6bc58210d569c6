/** Networks in CIDR notation (RFC 4632, RFC 4291 section 2.3), and in which an address is. */
import { isIPv4, isIPv6 } from "node:net";
import { KhachapuriError } from "../../errors.ts";
import { plainIp } from "../../ip_ranges.ts";

/** The addresses whose first `length` bits are those of `first`. */
export interface Network {
  readonly bits: 32 | 128;
  readonly first: bigint;
  readonly length: number;
}

/** Wider ones are much of the internet: whoever writes one has mistyped a length. */
const WIDEST = { 32: 8, 128: 16 } as const;
const LOOPBACKS = ["127.0.0.1", "::1"];

/**
 * An address, or a range as 198.51.100.0/24; what stands beyond the length counts as zero.
 * @throws KhachapuriError `invalid_input` for what is none, is too wide, or is this machine
 */
export function parseNetwork(text: string): Network {
  const [, start = "", length] = /^([^/%]*)(?:\/([0-9]{1,3}))?$/.exec(text) ?? [];
  const address = addressIn(start);
  if (address === null) throw invalid(`${text}: no IP address, and no range as 198.51.100.0/24`);
  const { bits } = address;
  // A range of IPv4-mapped addresses is one of the addresses that are mapped.
  const said = length === undefined ? bits : Number(length) - (isIPv6(start) ? 128 - bits : 0);
  if (said < 0 || said > bits) throw invalid(`${text}: the prefix has 0 to ${bits} bits`);
  if (said < WIDEST[bits]) {
    throw invalid(`${text}: a prefix of fewer than ${WIDEST[bits]} bits is much of the internet`);
  }
  const network = { bits, first: beginning(address, said), length: said };
  if (LOOPBACKS.some((loopback) => isIn(loopback, network))) {
    throw invalid(`${text}: that is this machine, and whatever proxy stands on it`);
  }
  return network;
}

/** As `parseNetwork` reads it, in its one canonical form. */
export function networkText({ bits, first, length }: Network): string {
  if (bits === 32) {
    const bytes = [24n, 16n, 8n, 0n].map((shift) => (first >> shift) & 255n);
    return `${bytes.join(".")}/${length}`;
  }
  const groups = Array.from({ length: 8 }, (_, at) => (first >> BigInt(112 - 16 * at)) & 0xffffn);
  const spelled = groups.map((group) => group.toString(16)).join(":");
  return `${new URL(`http://[${spelled}]`).hostname.slice(1, -1)}/${length}`;
}

/** Things by network, found by address: a look for each length that there is. */
export class NetworkIndex<T> {
  readonly #lengths: { bits: number; length: number; byFirst: Map<bigint, T> }[] = [];

  constructor(entries: Iterable<readonly [Network, T]>) {
    for (const [{ bits, first, length }, thing] of entries) {
      let at = this.#lengths.find((one) => one.bits === bits && one.length === length);
      if (!at) this.#lengths.push(at = { bits, length, byFirst: new Map() });
      at.byFirst.set(first, thing);
    }
  }

  /** The first thing that is wanted of those whose network the address is in. */
  find(text: string, isWanted: (thing: T) => boolean): T | null {
    if (this.#lengths.length === 0) return null;
    const address = addressIn(text);
    if (address === null) return null;
    for (const { bits, length, byFirst } of this.#lengths) {
      if (bits !== address.bits) continue;
      const thing = byFirst.get(beginning(address, length));
      if (thing !== undefined && isWanted(thing)) return thing;
    }
    return null;
  }
}

interface NumberedAddress {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

function isIn(text: string, { bits, first, length }: Network): boolean {
  const address = addressIn(text)!;
  return address.bits === bits && beginning(address, length) === first;
}

/** Null for what is no address. An IPv4 one that is mapped into IPv6 is that IPv4 one. */
function addressIn(text: string): NumberedAddress | null {
  const plain = plainIp(text);
  if (plain === null) return null;
  if (isIPv4(plain)) {
    const value = plain.split(".").reduce((sum, byte) => sum << 8n | BigInt(byte), 0n);
    return { bits: 32, value };
  }
  const [head = "", tail] = plain.split("::");
  const groupsOf = (part: string) => part === "" ? [] : part.split(":");
  const [before, after] = [groupsOf(head), groupsOf(tail ?? "")];
  const missing = Array<string>(8 - before.length - after.length).fill("0");
  const groups = [...before, ...missing, ...after];
  const value = groups.reduce((sum, group) => sum << 16n | BigInt(`0x${group}`), 0n);
  return { bits: 128, value };
}

function beginning({ bits, value }: NumberedAddress, length: number): bigint {
  const rest = BigInt(bits - length);
  return value >> rest << rest;
}

function invalid(message: string): KhachapuriError {
  return new KhachapuriError("invalid_input", message);
}

/** IP addresses, and sets of them written in CIDR notation (RFC 4632, RFC 4291 section 2.3). */
import { BlockList, isIPv4, isIPv6 } from "node:net";
import * as v from "valibot";
import { asKhachapuriError, KhachapuriError } from "./errors.ts";

/** Addresses that somebody listed, singly or as ranges. */
export class IpRanges {
  readonly #list = new BlockList();

  private constructor(readonly isEmpty: boolean) {}

  /**
   * @param texts e.g. "192.0.2.1", "10.0.0.0/8", "2001:db8::/32"
   * @throws KhachapuriError `invalid_input` that says what is wrong with the first one that is none
   */
  static parse(texts: readonly string[]): IpRanges {
    const ranges = new IpRanges(texts.length === 0);
    for (const text of texts) ranges.#add(text);
    return ranges;
  }

  has(address: string): boolean {
    if (this.isEmpty) return false;
    const plain = plainIp(address);
    return plain !== null && this.#list.check(plain, familyOf(plain));
  }

  #add(text: string): void {
    const [, start = "", length] = /^([^/]*)(?:\/([0-9]{1,3}))?$/.exec(text) ?? [];
    if (start.includes("%")) throw invalid(`${text}: leave the zone out`);
    const plain = plainIp(start);
    if (plain === null) {
      throw invalid(`${text}: no IP address, and no range such as 10.0.0.0/8`);
    }
    const family = familyOf(plain);
    const bits = family === "ipv4" ? 32 : 128;
    // A range of IPv4-mapped addresses is one of the addresses that are mapped.
    const prefix = length === undefined ? bits : Number(length) - (isIPv6(start) ? 128 - bits : 0);
    if (prefix < 0 || prefix > bits) {
      throw invalid(`${text}: a range of these has a prefix of 0 to ${bits} bits`);
    }
    this.#list.addSubnet(plain, prefix, family);
  }
}

function invalid(message: string): KhachapuriError {
  return new KhachapuriError("invalid_input", message);
}

function familyOf(plain: string): "ipv4" | "ipv6" {
  return isIPv4(plain) ? "ipv4" : "ipv6";
}

/**
 * An address as it is told to others: an IPv4 one also where it came mapped into IPv6 (RFC 4291
 * section 2.5.5.2), an IPv6 one in the form of RFC 5952 without the zone, which is this machine's.
 * @returns null for what is no address
 */
export function plainIp(text: string): string | null {
  if (isIPv4(text)) return text;
  const [bare = ""] = text.split("%");
  if (!isIPv6(bare)) return null;
  const canonical = new URL(`http://[${bare}]`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical) ?? [];
  if (high === undefined || low === undefined) return canonical;
  return [high, low].map((word) => parseInt(word, 16)).flatMap((word) => [word >> 8, word & 255])
    .join(".");
}

/** IP addresses and ranges of them; none by default. */
export const ipRangesShape = v.pipe(
  v.optional(v.array(v.string()), []),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    try {
      return IpRanges.parse(dataset.value);
    } catch (thrown) {
      addIssue({ message: asKhachapuriError(thrown).shortMessage });
      return NEVER;
    }
  }),
);

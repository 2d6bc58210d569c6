/** DNSLink (dnslink.dev): a domain points at content by a TXT record below it. */
import { type CidText, formatCid, parseCid } from "../../cid.ts";

/** Where the record of a domain stands. */
export function dnslinkName(domain: string): string {
  return `_dnslink.${domain}`;
}

/**
 * The content that a domain's TXT records name: of several that can be used the first in the order
 * of their text, as answers come in any order. What is no path of a whole content is passed over.
 */
export function linkedCid(texts: readonly string[]): CidText | null {
  for (const text of [...texts].sort()) {
    const [, cid] = /^dnslink=\/ipfs\/([A-Za-z0-9]+)\/?$/.exec(text) ?? [];
    const linked = cid === undefined ? null : cidOrNull(cid);
    if (linked !== null) return linked;
  }
  return null;
}

function cidOrNull(text: string): CidText | null {
  try {
    return formatCid(parseCid(text));
  } catch {
    return null;
  }
}

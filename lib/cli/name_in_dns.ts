/** A domain: its owner says what it points to by a TXT record, which only the zone's owner can set. */
import type { CidText } from "../cid.ts";
import type { DnsClient } from "../provider/naming/dns_client.ts";
import { dnslinkName, linkedCid } from "../provider/naming/dnslink.ts";
import type { NameMoved, NamePlace } from "./name_place.ts";

export function nameInDns(domain: string, dns: Pick<DnsClient, "txt">): NamePlace {
  const look = async () => {
    const { texts, ttl } = await dns.txt(dnslinkName(domain));
    return { cid: linkedCid(texts), texts, ttl };
  };
  return {
    where: "DNS",
    async look() {
      const { cid, ttl } = await look();
      return { cid, history: null, facts: { record: dnslinkName(domain), ttl } };
    },
    prepare: () => Promise.resolve(async (cid) => told(domain, cid, await look())),
  };
}

/** The line that the zone has to have, and whether name servers say it already. */
function told(
  domain: string,
  cid: CidText | null,
  present: { cid: CidText | null; texts: readonly string[] },
): NameMoved {
  const record = dnslinkName(domain);
  const texts = present.texts.filter((text) => text.startsWith("dnslink="));
  if (cid === present.cid) return { action: "unchanged", facts: { record }, lines: [] };
  const line = cid === null ? null : zoneLine(record, cid);
  const takenOut = texts.map((text) => `${record}. IN TXT "${text}"`);
  return {
    action: "by hand",
    facts: { record, line, remove: takenOut },
    lines: [
      ...(line === null ? [] : ["set this record in the domain's zone:", `  ${line}`]),
      ...(takenOut.length === 0 ? [] : ["and take out:", ...takenOut.map((old) => `  ${old}`)]),
    ],
  };
}

/** As a zone file has it (RFC 1035), short-lived, as it is to move. */
function zoneLine(record: string, cid: CidText): string {
  return `${record}. 60 IN TXT "dnslink=/ipfs/${cid}"`;
}

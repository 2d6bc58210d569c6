/** Changes of a zone's TXT records by RFC 2136, each signed. */
import { randomInt } from "node:crypto";
import { KhachapuriError } from "../../errors.ts";
import type { NameServer } from "../../name_server.ts";
import { ask, exchange } from "./dns_exchange.ts";
import { bytesOf, CLASS, nameOctets, textOctets, TYPE, uint16, uint32 } from "./dns_octets.ts";
import { sign, signatureFault, type TsigKey } from "./tsig.ts";

export interface UpdateOptions {
  readonly server: NameServer;
  readonly key: TsigKey;
  /** Where it is known; else the server is asked. */
  readonly zone: string | undefined;
  /** Milliseconds since the epoch. */
  now(): number;
}

/** No copy of it is kept for long. */
const TTL_SECONDS = 60;
const OPCODE_UPDATE = 5;

/** RFC 2136, section 2.2; what is not here is told by its number. */
const RCODES: Readonly<Record<number, string>> = {
  1: "it takes the change for malformed (FORMERR)",
  2: "it failed (SERVFAIL)",
  4: "it takes no changes (NOTIMP)",
  5: "it does not let this key change this (REFUSED)",
  9: "it is not the zone's first server, or does not take the key (NOTAUTH)",
  10: "the name is not in the zone (NOTZONE)",
};

export type Change = "add" | "remove";

/**
 * Adds one text to those of a name, or removes it; others of the name stay.
 * @throws KhachapuriError `no_certificate`
 */
export async function changeTxt(
  { server, key, zone, now }: UpdateOptions,
  change: Change,
  { name, text }: { readonly name: string; readonly text: string },
  signal: AbortSignal,
): Promise<void> {
  const options = { signal };
  const inZone = zone ?? await zoneOf(server, name, signal);
  const seconds = () => Math.floor(now() / 1_000);
  const { message, mac } = sign(updateMessage(inZone, change, name, text), key, seconds());
  const answer = await exchange(server, message, options);
  const rcode = answer[3]! & 0x0f;
  const fault = signatureFault(answer, key, mac, seconds());
  // A server that refuses need not sign; who forges a refusal could as well be silent.
  const why = rcode === 0 ? fault : RCODES[rcode] ?? `it answers with code ${rcode}`;
  if (why === null) return;
  const isOfKey = rcode !== 0 && fault !== null && /\(BAD/.test(fault);
  throw new KhachapuriError(
    "no_certificate",
    `${server.address}:${server.port} does not ${change} ${name} in ${inZone}: ` +
      (isOfKey ? fault : why),
    {
      hints: ["see provider.acme.dns: its server, key and secret, and what the server lets it do"],
      data: { problem: "name server" },
    },
  );
}

/** The zone that a name is in, as its server says (RFC 2308, section 2). */
export async function zoneOf(
  server: NameServer,
  name: string,
  signal: AbortSignal,
): Promise<string> {
  const { answers, authorities } = await ask(server, { name, type: "SOA" }, { signal });
  const soa = [...answers, ...authorities].find(({ type }) => type === "SOA");
  const zone = soa?.name.replace(/\.$/, "").toLowerCase() ?? "";
  if (zone !== "" && `.${name.toLowerCase()}`.endsWith(`.${zone}`)) return zone;
  const place = `${server.address}:${server.port}`;
  throw new KhachapuriError("no_certificate", `${place} knows no zone of ${name}`, {
    hints: ["provider.acme.dns.server is to be the zone's first server; .zone names the zone"],
    data: { problem: "name server" },
  });
}

function updateMessage(zone: string, change: Change, name: string, text: string): Uint8Array {
  const data = textOctets(text);
  const [recordClass, ttl] = change === "add" ? [CLASS.IN, TTL_SECONDS] : [CLASS.NONE, 0];
  return bytesOf(
    uint16(randomInt(0x10000)),
    uint16(OPCODE_UPDATE << 11),
    ...[1, 0, 1, 0].map(uint16),
    nameOctets(zone),
    uint16(TYPE.SOA),
    uint16(CLASS.IN),
    nameOctets(name),
    uint16(TYPE.TXT),
    uint16(recordClass),
    uint32(ttl),
    uint16(data.length),
    data,
  );
}

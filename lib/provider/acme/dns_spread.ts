/** Waits until a zone's servers all say what the first was told: a CA asks any of them. */
import { Buffer } from "node:buffer";
import type { Clock } from "../../clock.ts";
import { KhachapuriError } from "../../errors.ts";
import { ZONE_SERVERS_MAX, ZONE_SPREAD_TIMEOUT_MS } from "../../limits_of_certificates.ts";
import type { NameServer } from "../../name_server.ts";
import { ask } from "./dns_exchange.ts";
import { until } from "./waiting.ts";

/** What this machine's resolver knows. */
export interface Lookup {
  /** Names of a zone's servers; none for what is no zone. */
  servers(zone: string): Promise<readonly string[]>;
  addresses(host: string): Promise<readonly string[]>;
}

export const systemLookup: Lookup = {
  servers: (zone) => Deno.resolveDns(zone, "NS").catch(() => []),
  async addresses(host) {
    const kinds = ["A", "AAAA"] as const;
    const found = await Promise.all(
      kinds.map((kind) => Deno.resolveDns(host, kind).catch((): string[] => [])),
    );
    return found.flat();
  },
};

const DNS_PORT = 53;
const LOOK_MS = 2_000;

/** The servers of the zone that a name is in, found from the name upwards. */
export async function serversOf(name: string, lookup: Lookup): Promise<NameServer[]> {
  const labels = name.replace(/\.$/, "").split(".");
  for (let at = 0; at < labels.length - 1; at++) {
    const hosts = await lookup.servers(labels.slice(at).join("."));
    if (hosts.length === 0) continue;
    const addresses = await Promise.all(hosts.map((host) => lookup.addresses(host)));
    return addresses.flat().slice(0, ZONE_SERVERS_MAX).map((address) => ({
      address,
      port: DNS_PORT,
    }));
  }
  return [];
}

export interface SpreadOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly timeoutMs?: number;
}

/**
 * Resolves when every server that can be reached says all of `texts` of `name`.
 * @throws KhachapuriError `no_certificate` with who does not
 */
export async function untilSpread(
  servers: readonly NameServer[],
  { name, texts }: { readonly name: string; readonly texts: readonly string[] },
  { clock, signal, timeoutMs = ZONE_SPREAD_TIMEOUT_MS }: SpreadOptions,
): Promise<void> {
  let waitedMs = 0;
  for (;;) {
    const said = await Promise.all(servers.map((server) => textsAt(server, name, signal)));
    const behind = servers.filter((_, at) => !texts.every((text) => said[at]?.includes(text)));
    const reached = servers.filter((_, at) => said[at] !== null);
    const lacking = behind.filter((server) => reached.includes(server));
    if (reached.length > 0 && lacking.length === 0) return;
    if (waitedMs >= timeoutMs) throw notSpread(name, reached.length > 0 ? lacking : servers);
    await until(clock, LOOK_MS, signal);
    waitedMs += LOOK_MS;
  }
}

/** null: it can't be reached, as one with an IPv6 address from a machine without. */
async function textsAt(
  server: NameServer,
  name: string,
  signal: AbortSignal,
): Promise<readonly string[] | null> {
  try {
    const { answers } = await ask(server, { name, type: "TXT" }, { signal });
    return answers.flatMap((each) => {
      if (each.type !== "TXT") return [];
      const parts = Array.isArray(each.data) ? each.data : [each.data];
      return [parts.map((part) => Buffer.from(part).toString("latin1")).join("")];
    });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof KhachapuriError) return null;
    throw error;
  }
}

function notSpread(name: string, servers: readonly NameServer[]): KhachapuriError {
  const who = servers.map(({ address, port }) => `${address}:${port}`).join(", ");
  return new KhachapuriError(
    "no_certificate",
    `the record ${name} is not said by ${who || "any server of its zone"}`,
    {
      hints: [
        `see: dig TXT ${name}`,
        "provider.acme.dns.nameServers names whom to ask, where the zone's own can't be reached",
      ],
      data: { problem: "name server" },
    },
  );
}

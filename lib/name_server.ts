/** Which name servers this machine asks. */
import { isIP } from "node:net";
import { KhachapuriError } from "./errors.ts";
import { NAME_SERVERS_MAX } from "./limits_of_names.ts";

export interface NameServer {
  readonly address: string;
  readonly port: number;
}

const DNS_PORT = 53;

/** The servers that a resolv.conf names; where it names none, the one on this machine. */
export function nameServersOf(resolvConf: string): NameServer[] {
  const named: NameServer[] = [];
  for (const line of resolvConf.split("\n")) {
    const [, address = ""] = /^\s*nameserver\s+(\S+)/.exec(line) ?? [];
    if (isIP(address.split("%")[0]!) !== 0) named.push({ address, port: DNS_PORT });
  }
  return named.length > 0
    ? named.slice(0, NAME_SERVERS_MAX)
    : [{ address: "127.0.0.1", port: DNS_PORT }];
}

/** What is wrong with "address:port" as a name server; null: nothing. */
export function nameServerFault(text: string): string | null {
  return parse(text) === null ? 'not an IP address and a port, as "127.0.0.1:53"' : null;
}

/** @throws KhachapuriError `invalid_config` */
export function parseNameServer(text: string): NameServer {
  const server = parse(text);
  if (server) return server;
  throw new KhachapuriError("invalid_config", `${text}: ${nameServerFault(text)}`);
}

function parse(text: string): NameServer | null {
  const [, bracketed, bare, port] = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+))(?::([0-9]{1,5}))?$/i
    .exec(text) ?? [];
  const address = bracketed ?? bare ?? "";
  const number = Number(port ?? DNS_PORT);
  if (isIP(address) === 0 || number < 1 || number > 65_535) return null;
  return { address, port: number };
}

/**
 * Hosts that programs may call. An owner signs which its program wants, `host:port` or
 * `*.suffix:port`; a provider says which it allows, by patterns whose host may also be `*`, for
 * any, and whose port may be `*`. Names only: an address could be anybody's inside the provider's
 * network, and a provider checks what a name leads to at each connection.
 */
import { isIPv4, isIPv6 } from "node:net";
import { DNS_LABEL_CHARACTERS_MAX, DNS_NAME_CHARACTERS_MAX } from "./limits.ts";

/** What the programs of one deployment may use of it, unless a provider says otherwise. */
export const EGRESS_LIMITS = {
  connections: 64,
  connectionsPerSecond: 32,
  /** Each way. */
  bytesPerSecond: 64 * 1024 * 1024,
  idleSeconds: 900,
} as const;

/** Letters, digits, underscores and inner dashes; labels joined by dots. */
const LABELS = "[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*";
const NAME = new RegExp(`^${LABELS}$`);
/** Mail between servers: whoever may reach it sends spam in the provider's name. */
const SMTP = 25;

interface HostAndPort {
  host: string;
  port: string;
}

function split(text: string): HostAndPort | null {
  const match = /^([^:]+):([^:]+)$/.exec(text);
  return match && { host: match[1]!, port: match[2]! };
}

function isPort(text: string): boolean {
  return /^[1-9][0-9]{0,4}$/.test(text) && Number(text) <= 65_535;
}

function isName(text: string): boolean {
  return text.length <= DNS_NAME_CHARACTERS_MAX && NAME.test(text) &&
    text.split(".").every((label) => label.length <= DNS_LABEL_CHARACTERS_MAX);
}

/** "[::1]:443", "::1:443": what has more than one colon, and digits alone around them. */
const IPV6_LIKE = /^\[|^[0-9a-f.]*:[0-9a-f.]*:/i;

/** What no name ends with, but addresses do: 10.0.0.1, 0x7f000001, 2130706433. */
function isAddressLike(host: string): boolean {
  return /^(0x[0-9a-f]*|[0-9]+)$/.test(host.split(".").at(-1)!);
}

/** One label alone is a neighbour's name, by search domains: `jenkins`, `localhost`. */
const NOT_FULL = "not a full name, as api.example.com";

/** What is wrong with a host that a spec asks for, in words; null when nothing is. */
export function egressFault(text: string): string | null {
  const form = 'not host:port, as "api.example.com:443", nor "*.example.com:443"';
  const address = "an address, where only names can be asked for";
  if (IPV6_LIKE.test(text)) return address;
  const parts = split(text);
  if (!parts || !isPort(parts.port)) return form;
  const name = parts.host.replace(/^\*\./, "");
  if (isAddressLike(name)) return address;
  if (!isName(name)) return /[A-Z]/.test(name) ? "not in lower case" : form;
  if (parts.host !== name && !name.includes(".")) return "a wildcard for all of a top-level domain";
  if (!name.includes(".")) return NOT_FULL;
  if (Number(parts.port) === SMTP) return "port 25, which no provider lets programs reach";
  return null;
}

/** What is wrong with a provider's pattern, in words; null when nothing is. */
export function patternFault(text: string): string | null {
  const parts = split(text);
  if (parts && isAddressLike(parts.host)) return "an address, where programs call names alone";
  if (parts?.port === String(SMTP)) return "port 25, which programs never reach";
  const isForm = parts !== null && (parts.port === "*" || isPort(parts.port)) &&
    (parts.host === "*" || isName(parts.host.replace(/^\*\./, "")));
  if (isForm && !/[*.]/.test(parts.host)) return NOT_FULL;
  return isForm ? null : 'not a pattern as "*:443", "*.example.com:443" or "api.example.com:*"';
}

/** Whether one of the provider's patterns covers all that `wanted` stands for. */
export function isAllowed(wanted: string, patterns: readonly string[]): boolean {
  const { host, port } = split(wanted)!;
  return patterns.some((pattern) => {
    const { host: allowed, port: allowedPort } = split(pattern)!;
    if (allowedPort !== "*" && allowedPort !== port) return false;
    // `*.example.com` is what `*.a.example.com` and `a.example.com` are below, and itself.
    return allowed === "*" || allowed === host ||
      (allowed.startsWith("*.") && host.endsWith(allowed.slice(1)));
  });
}

/** Whether a spec's list names a host, as programs write it, at whatever port. */
export function listsHost(egress: readonly string[], host: string): boolean {
  return egress.some((entry) => listsPort([entry], host, split(entry)!.port));
}

/** Whether a spec's list names a host, as programs write it, at that port. */
export function listsPort(egress: readonly string[], host: string, port: string): boolean {
  return isAllowed(`${host.toLowerCase().replace(/\.$/, "")}:${port}`, egress);
}

/** What is wrong with an address to connect to, in words; null when nothing is. */
export function addressFault(text: string): string | null {
  const form = 'not address:port, as "127.0.0.1:8443" or "[::1]:8443"';
  const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:]*)):([^:]*)$/.exec(text) ?? [];
  if (!isPort(port ?? "")) return form;
  const isAddress = bracketed === undefined ? isIPv4(plain!) : isIPv6(bracketed);
  return isAddress ? null : form;
}

/** What a request is aimed at: its target and host (RFC 9112 section 3, RFC 9110 section 7). */
import { KhachapuriError } from "../../errors.ts";
import type { Fields } from "./fields.ts";

export interface RequestTarget {
  /** The target's path in the octets that were sent, never decoded or normalised; or "*". */
  readonly path: string;
  /** What follows the first question mark; "" when nothing does, null without one. */
  readonly query: string | null;
  /** Host and port that the caller asked; "" in HTTP/1.0 when it named none. */
  readonly host: string;
}

/** The parts of a request's head that say where it goes. */
export interface RequestHead {
  readonly method: string;
  /** As on the request line, or `:path`. */
  readonly target: string;
  readonly fields: Fields;
  /** `:authority`; null outside HTTP/2. */
  readonly authority: string | null;
  /** HTTP/1.1 and later name their host always. */
  readonly isHostRequired: boolean;
}

/** @throws KhachapuriError `invalid_input` for a target or host that RFC 9112 has refused */
export function readTarget(head: RequestHead): RequestTarget {
  const host = hostOf(head);
  const { target } = head;
  if (target.includes("#")) throw invalid("the request's target has a fragment");
  if (target.startsWith("/")) return { ...pathAndQuery(target), host };
  if (target === "*" && head.method === "OPTIONS") return { path: "*", query: null, host };
  return absoluteTarget(target);
}

function pathAndQuery(target: string): { path: string; query: string | null } {
  const mark = target.indexOf("?");
  if (mark < 0) return { path: target, query: null };
  return { path: target.slice(0, mark), query: target.slice(mark + 1) };
}

/** RFC 9112 section 3.2.2: of an absolute target the authority counts and Host does not. */
function absoluteTarget(target: string): RequestTarget {
  const [, authority, rest = ""] = /^https?:\/\/([^/?]*)(.*)$/is.exec(target) ?? [];
  if (authority === undefined || authority === "") {
    throw invalid("the request's target is neither a path nor an http URL");
  }
  const { path, query } = pathAndQuery(rest);
  return { path: path === "" ? "/" : path, query, host: checked(authority) };
}

function hostOf({ fields, authority, isHostRequired }: RequestHead): string {
  const hosts = fields.all("host");
  if (hosts.length > 1) throw invalid("the request has more than one Host");
  const [named] = hosts;
  // RFC 9113 section 8.3.1: both may be there, and then must say the same.
  if (authority !== null && named !== undefined && named !== authority) {
    throw invalid("the request's :authority and Host differ");
  }
  const host = authority ?? named;
  if (host !== undefined) return checked(host);
  if (isHostRequired) throw invalid("the request has no Host");
  return "";
}

/**
 * RFC 3986 section 3.2.2: an address in brackets, an IPv4 address or a name; without userinfo, and
 * without the delimiters that a name may have by the letter and none has in DNS.
 */
const HOST = /^(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+)(?::([0-9]{0,5}))?$/;
const HIGHEST_PORT = 65_535;

function checked(host: string): string {
  const match = HOST.exec(host);
  if (match && Number(match[1] ?? 0) <= HIGHEST_PORT) return host;
  throw invalid("the request's Host is no host name with an optional port");
}

function invalid(message: string): KhachapuriError {
  return new KhachapuriError("invalid_input", message, {
    hints: ["see RFC 9112 section 3.2; any HTTP client does this right by itself"],
  });
}

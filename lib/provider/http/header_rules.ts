/** Which header fields pass between the caller's connection and a program, in both directions. */

/**
 * A field, its name in lower case. Lists of them take the place of `Headers`, which sorts and joins
 * them anew whenever somebody looks through them.
 */
export type HeaderField = [name: string, value: string];

/** RFC 9110 section 7.6.1, and what older software sends: one connection's, not the message's. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Fields about money and receipts, which only the provider and the caller exchange. */
const OUR_PREFIXES = ["payment-", "x-payment", "khachapuri-"];

/**
 * What proxies say of the way that a request took, and strangers can say as well. To programs
 * REMOTE_ADDR, REQUEST_SCHEME and HTTPS tell what of it is true.
 */
const FORWARDING = /^(?:forwarded|x-real-ip|x-forwarded(?:-.*)?)$/;

/** RFC 9110 section 5.6.2. */
export const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

const NONE: ReadonlySet<string> = new Set();

/** The field names that `Connection` declares to be this connection's own. */
export function connectionOptions(connection: string | null): ReadonlySet<string> {
  if (!connection) return NONE;
  return new Set(connection.toLowerCase().split(",").map((name) => name.trim()));
}

/**
 * Whether a field is for the two ends alone. Money is the provider's: a program neither sees a
 * payment (a permit is a bearer secret) nor says anything about one.
 * @param name in lower case
 */
export function isEndToEnd(name: string, connection: ReadonlySet<string>): boolean {
  if (HOP_BY_HOP.has(name) || connection.has(name) || FORWARDING.test(name)) return false;
  if (name === "payer" || name === "idempotency-replayed") return false;
  return !OUR_PREFIXES.some((prefix) => name.startsWith(prefix));
}

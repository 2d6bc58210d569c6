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

/** Fields about money, payers and receipts: a caller's to the provider, or the provider's own. */
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
 * The name that others take it for: whoever makes variables of fields takes "a_b" and "a.b" for
 * "a-b" (RFC 3875 section 4.1.18).
 * @param spelled in lower case
 */
export function dashed(spelled: string): string {
  return /[^a-z0-9-]/.test(spelled) ? spelled.replace(/[^a-z0-9-]/g, "-") : spelled;
}

/**
 * Whether a field is for the two ends alone. Money is the provider's: a program neither sees a
 * payment (a permit is a bearer secret) nor says anything about one; and what the provider says to
 * programs in fields of its own, nobody else can.
 * @param spelled in lower case
 */
export function isEndToEnd(spelled: string, connection: ReadonlySet<string>): boolean {
  if (connection.has(spelled)) return false;
  const name = dashed(spelled);
  if (HOP_BY_HOP.has(name) || FORWARDING.test(name)) return false;
  if (name === "payer" || name === "idempotency-replayed") return false;
  return !OUR_PREFIXES.some((prefix) => name.startsWith(prefix));
}

/**
 * Fields that hold one value (RFC 9110 and those that build on it), of requests and responses: two
 * of them are no list, and whoever joined them would make a third value. `status` is CGI's.
 */
const SINGLETONS: ReadonlySet<string> = new Set([
  "access-control-allow-credentials",
  "access-control-allow-origin",
  "access-control-max-age",
  "access-control-request-method",
  "age",
  "authorization",
  "content-disposition",
  "content-length",
  "content-location",
  "content-range",
  "content-type",
  "cross-origin-embedder-policy",
  "cross-origin-opener-policy",
  "cross-origin-resource-policy",
  "date",
  "depth",
  "destination",
  "etag",
  "expires",
  "from",
  "host",
  "idempotency-key",
  "if-modified-since",
  "if-range",
  "if-unmodified-since",
  "last-event-id",
  "last-modified",
  "location",
  "max-forwards",
  "origin",
  "overwrite",
  "range",
  "referer",
  "refresh",
  "retry-after",
  "sourcemap",
  "status",
  "strict-transport-security",
  "user-agent",
]);

/**
 * The fields with each singleton once: one that was repeated with the same value was sent once.
 * @param conflict the error for one with two values, whose name it is given
 */
export function singly(
  fields: readonly HeaderField[],
  conflict: (name: string) => Error,
): HeaderField[] {
  const seen = new Map<string, string>();
  return fields.filter(([name, value]) => {
    if (!SINGLETONS.has(name)) return true;
    const before = seen.get(name);
    if (before !== undefined && before !== value) throw conflict(name);
    seen.set(name, value);
    return before === undefined;
  });
}

/**
 * The fields with the Host that counts, which a program builds its URLs from: that of an absolute
 * target or of `:authority`, where there is one (RFC 9112 section 3.2.2, RFC 9113 section 8.3.1).
 * @param host as the request's target has it; "" in HTTP/1.0 when it named none
 */
export function withHost(fields: readonly HeaderField[], host: string): readonly HeaderField[] {
  const isThere = host === "" || fields.some(([name, value]) => name === "host" && value === host);
  return isThere ? fields : [["host", host], ...fields.filter(([name]) => name !== "host")];
}

/** One value of all of a field's lines (RFC 9110 section 5.3; for cookies RFC 9113, 8.2.3). */
export function joined(name: string, values: readonly string[]): string {
  return values.join(name === "cookie" ? "; " : ", ");
}

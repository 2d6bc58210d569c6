/** Fields behind a body (RFC 9110 section 6.5): who takes them, and which may be passed on. */
import { type HeaderField, isEndToEnd } from "./header_rules.ts";
import type { HttpRequest } from "./request.ts";

/**
 * What a reader has acted on by then, or what would have it act on a body that it has taken: how a
 * message is framed and routed, who may have it, how it is kept, what its content is (RFC 9110
 * section 6.5.1).
 */
const NEVER: ReadonlySet<string> = new Set(
  `
  age authorization cache-control clear-site-data content-encoding content-length content-location
  content-range content-security-policy content-type cookie date expect expires host location
  max-forwards pragma range refresh retry-after set-cookie set-cookie2 status
  strict-transport-security te trailer transfer-encoding upgrade vary via warning www-authenticate
`.trim().split(/\s+/),
);

const NONE: ReadonlySet<string> = new Set();

/** RFC 9110 section 10.1.4: others may drop them, or take them for what they are not. */
export function takesTrailers({ protocol, fields }: Pick<HttpRequest, "protocol" | "fields">) {
  const codings = fields.get("te")?.toLowerCase().split(",") ?? [];
  return protocol !== "HTTP/1.0" && codings.some((coding) => coding.trim() === "trailers");
}

/** Those of a program that go on to its caller. */
export function passedTrailers(fields: readonly HeaderField[]): HeaderField[] {
  return fields.filter(([name]) =>
    isEndToEnd(name, NONE) && !NEVER.has(name) &&
    !/^(?:access-control|if|proxy|x-accel)-/.test(name)
  );
}

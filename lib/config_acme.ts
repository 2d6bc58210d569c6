/** The configuration's section `provider.acme`: HTTPS by itself (RFC 8555). */
import * as v from "valibot";
import { nameServerFault } from "./name_server.ts";
import { placeShape } from "./shape.ts";

/** Directories that have a name. */
export const DIRECTORIES: Readonly<Record<string, string>> = {
  letsencrypt: "https://acme-v02.api.letsencrypt.org/directory",
  "letsencrypt-staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
};

const fileShape = v.pipe(v.string(), v.minLength(1, "no file is named"));

const nameServerShape = v.pipe(
  v.string(),
  v.check((text) => nameServerFault(text) === null, nameServerFault("")!),
);

const isHttps = (text: string) => /^https:\/\//.test(text) && URL.canParse(text);

const directoryShape = v.pipe(
  v.string(),
  v.check(
    (text) => Object.hasOwn(DIRECTORIES, text) || isHttps(text),
    `not an https URL, and none of ${Object.keys(DIRECTORIES).join(", ")}`,
  ),
);

/** As a zone's file has it, without its last dot. */
const domainShape = v.pipe(
  v.string(),
  v.regex(/^(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/i, "not a domain"),
);

const DNS_COMMON = {
  /** Asked whether the record is there; by default all servers of its zone. */
  nameServers: v.optional(v.array(nameServerShape), []),
};

const dnsShape = v.variant("kind", [
  /** Changes of a zone by DNS itself (RFC 2136), signed (RFC 8945). */
  v.strictObject({
    kind: v.literal("rfc2136"),
    /** The zone's first server. */
    server: nameServerShape,
    /** By default the server is asked. */
    zone: v.exactOptional(domainShape),
    key: v.strictObject({
      name: domainShape,
      algorithm: v.optional(
        v.picklist(["hmac-sha256", "hmac-sha384", "hmac-sha512", "hmac-sha1"]),
        "hmac-sha256",
      ),
      /** The secret alone, in base64, mode 0600. */
      secretFile: fileShape,
    }),
    ...DNS_COMMON,
  }),
  /** A program of the provider's own. */
  v.strictObject({
    kind: v.literal("hook"),
    /** An absolute path, and arguments before ours. */
    command: v.pipe(
      v.array(v.string()),
      v.minLength(1, "no program is named"),
      v.check(([path = ""]) => path.startsWith("/"), "its first is not an absolute path"),
    ),
    timeoutSeconds: v.optional(
      v.pipe(v.number(), v.integer("not a whole number"), v.minValue(1), v.maxValue(300)),
      60,
    ),
    ...DNS_COMMON,
  }),
], 'not one of "rfc2136" and "hook"');

export const acmeShape = v.exactOptional(v.pipe(
  v.strictObject({
    /** Its URL, or a name. */
    directory: v.optional(directoryShape, "letsencrypt"),
    /** Whose certificate the CA's own server has, PEM; by default the well-known roots. */
    caFile: v.exactOptional(fileShape),
    /** Where the CA writes of what matters; none is told otherwise. */
    email: v.exactOptional(v.pipe(v.string(), v.email("not an e-mail address"))),
    /** Nobody may agree for a provider but itself. */
    agreeToTerms: v.literal(true, "the CA's terms have to be agreed to: true"),
    /** How the CA is shown that the domain is ours; its wildcard's is always dns-01. */
    challenge: v.optional(v.picklist(["http-01", "tls-alpn-01", "dns-01"]), "http-01"),
    /** Where http-01 is answered and all else sent on to https. */
    httpListen: v.exactOptional(placeShape),
    /** External account binding, where a CA wants it: the key in base64url, mode 0600. */
    eab: v.exactOptional(v.strictObject({
      keyId: v.pipe(v.string(), v.minLength(1, "it is empty")),
      hmacKeyFile: fileShape,
    })),
    /** With it the wildcard is wanted, too. */
    dns: v.exactOptional(dnsShape),
  }),
  v.forward(
    v.check(
      ({ challenge, dns }) => challenge !== "dns-01" || dns !== undefined,
      '"dns-01" wants provider.acme.dns, which says how records are made',
    ),
    ["challenge"],
  ),
));

export type AcmeConfig = NonNullable<v.InferOutput<typeof acmeShape>>;
export type ChallengeType = AcmeConfig["challenge"];
export type DnsConfig = NonNullable<AcmeConfig["dns"]>;
export type Rfc2136Config = Extract<DnsConfig, { kind: "rfc2136" }>;
export type HookConfig = Extract<DnsConfig, { kind: "hook" }>;

/** Where http-01 is answered; null: nowhere. */
export function httpPlaceOf({ challenge, httpListen }: AcmeConfig): string | null {
  return httpListen ?? (challenge === "http-01" ? "0.0.0.0:80" : null);
}

/** The names that a certificate is to be for; the first is the domain's own. */
export function wantedNames(webDomain: string, { dns }: Pick<AcmeConfig, "dns">): string[] {
  const { hostname } = new URL(webDomain);
  return dns ? [hostname, `*.${hostname}`] : [hostname];
}

/** What is wrong with a domain that a certificate is to be for; null: nothing. */
export function acmeDomainFault(webDomain: string): string | null {
  const { protocol, hostname } = new URL(webDomain);
  if (protocol !== "https:") return "is no https URL, as provider.acme makes it";
  const isDomain = /^(?=.{1,244}$)(?:[a-z0-9-]{1,63}\.)+(?=.*[a-z])[a-z0-9-]{1,63}$/.test(hostname);
  return isDomain ? null : "has no domain that a certificate could be for";
}

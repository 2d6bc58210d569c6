/** Bounds of having certificates from an authority (CA) by ACME. */

// Whom we ask: the CA, and name servers that keep its records.

/** One answer of a CA: a chain of certificates is some 10 KiB. */
export const CA_ANSWER_BYTES_MAX = 256 * 1024;
/** A CA that says nothing for so long is out of reach. */
export const CA_ANSWER_TIMEOUT_MS = 30_000;
/** From an order to its certificate; a CA looks at a challenge within minutes. */
export const ORDER_TIMEOUT_MS = 600_000;
/** Names of one certificate here: the provider's and its wildcard. */
export const CERTIFICATE_NAMES_MAX = 2;
/** Text of a CA that is kept and shown of a failure. */
export const CA_WORDS_CHARACTERS_MAX = 1_000;
/** A CA may ask to be left alone so long, ms: the longest of Let's Encrypt's limits is a week. */
export const CA_REST_MS_MAX = 8 * 86_400_000;
/** One answer of a name server by TCP, whose length field has 16 bits. */
export const ZONE_ANSWER_BYTES_MAX = 65_535;
/** A name server that says nothing for so long is out of reach. */
export const ZONE_ANSWER_TIMEOUT_MS = 10_000;
/** Until all servers of a zone say what its first was told: some ask it now and then only. */
export const ZONE_SPREAD_TIMEOUT_MS = 180_000;
/** Servers of a zone that are asked: 13 is what fits a datagram without EDNS. */
export const ZONE_SERVERS_MAX = 13;
/** A hook that says nothing for so long is killed, with all it started. */
export const HOOK_TIMEOUT_MS = 300_000;
/** What it may print, which is shown when it fails. */
export const HOOK_OUTPUT_BYTES_MAX = 16 * 1024;

// A stranger at port 80, where challenges are answered, or at TLS before its handshake.

/** Connections there at once: a CA comes with a handful, a browser that is sent on with one. */
export const CHALLENGE_CONNECTIONS_MAX = 256;
/** Of one network: those beyond end the ones that came before them. */
export const CHALLENGE_NETWORK_CONNECTIONS_MAX = 16;
/** By then its request has to be there, and answered. */
export const CHALLENGE_REQUEST_TIMEOUT_MS = 10_000;
/** A request's head there. */
export const CHALLENGE_HEAD_BYTES_MAX = 8 * 1024;
/** A token of RFC 8555, section 8.3 has 22 characters at least; no CA's has more than 64. */
export const CHALLENGE_TOKEN_CHARACTERS_MAX = 128;
/** A ClientHello, which one record of TLS has to hold: with post-quantum keys it has some 2 KiB. */
export const CLIENT_HELLO_BYTES_MAX = 16 * 1024 + 5;

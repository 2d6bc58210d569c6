/** Bounds of what owners say in public of their deployments, and of what is made of it. */

/** A deployment's description: a facilitator was seen to refuse more (cdp-sdk#759). */
export const ABOUT_DESCRIPTION_CHARACTERS_MAX = 500;
/** Its tags, as x402 bounds `resource.tags`, */
export const ABOUT_TAGS_MAX = 5;
/** and the length of each. */
export const ABOUT_TAG_CHARACTERS_MAX = 32;
/** All of it as JSON: it stands in a spec of SPEC_BYTES_MAX and in each listing. */
export const ABOUT_BYTES_MAX = 8 * 1024;
/** Objects and lists in each other in it: whoever walks it, we and those who read it, recurses. */
export const ABOUT_DEPTH_MAX = 16;
/** A media type, RFC 6838 section 4.2: two names of 127 characters, rarely as long as this. */
export const ABOUT_TYPE_CHARACTERS_MAX = 100;

/** Origins whose pages may read a deployment's answers: the wildcard stands for more. */
export const CORS_ORIGINS_MAX = 16;
/** An origin: a scheme, a name of 253 characters and a port. */
export const CORS_ORIGIN_CHARACTERS_MAX = 270;
/** Methods, and fields of requests or of answers, that a deployment's `cors` lists. */
export const CORS_NAMES_MAX = 32;
/** One of their names. */
export const CORS_NAME_CHARACTERS_MAX = 64;
/** How long browsers may go by a preflight: Firefox takes no longer one. */
export const CORS_AGE_SECONDS_MAX = 86_400;

/**
 * A PAYMENT-REQUIRED with the bazaar extension: a client echoes it, and what it adds (a permit with
 * a deposit, an ERC-6492 signature) has to fit PAYMENT_HEADER_BYTES_MAX with it.
 */
export const EXTENDED_402_BYTES_MAX = 6 * 1024;

/** Deployments in /openapi.json: those paid for last; agents read all of it into their context. */
export const OPENAPI_OPERATIONS_MAX = 1_000;
/** Of those one owner's: a credit lists a deployment, and nobody is to fill the list alone. */
export const OPENAPI_OWNER_OPERATIONS_MAX = 32;
/** Their bytes together: read, and sent, for anybody who asks. */
export const OPENAPI_BYTES_MAX = 1024 * 1024;
/** Rows looked at for it: some are refused, as their terms or their owner's allowance ended. */
export const OPENAPI_ROWS_MAX = 4_000;

/** Bounds of what a 402 says; the rest of what callers and payers can reach is in limits.ts. */

/** A PAYMENT-REQUIRED header: with the other fields a 402's head has less than 8 KiB. */
export const PAYMENT_REQUIRED_BYTES_MAX = 7 * 1024;
/** What is said there of a deployment: a large facilitator settles nothing that has more. */
export const RESOURCE_DESCRIPTION_CHARACTERS_MAX = 500;
/** Tags there, as stock clients take them, */
export const RESOURCE_TAGS_MAX = 5;
/** each so long. */
export const RESOURCE_TAG_CHARACTERS_MAX = 32;

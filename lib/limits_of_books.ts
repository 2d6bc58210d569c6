/** What a provider's books hold, and what of them is remembered. */

/** Deployments of which what the records say is remembered, some 200 bytes each. */
export const DEPLOYMENTS_REMEMBERED_MAX = 20_000;
/** Answers kept for all payers together: a payer alone has half of it, two a third each. */
export const IDEMPOTENCY_BYTES_MAX = 4 * 1024 * 1024 * 1024;
/** And their number, 300 bytes each beside that: a payer alone may make 90 a second all day. */
export const IDEMPOTENCY_ANSWERS_MAX = 16_000_000;

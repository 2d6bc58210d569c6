/** The bounds of our own pages in somebody's browser. To be had from limits.ts, like all others. */

/** Of the call that an address of the payer's page fills in: nobody reads a longer one. */
export const PREFILLED_CALL_CHARACTERS_MAX = 2_048;
/** Of a program's answer, what the payer's page reads and shows; more of it is not taken. */
export const PAGE_ANSWER_BYTES_MAX = 1024 * 1024;

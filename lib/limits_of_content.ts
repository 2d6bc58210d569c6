/** Bounds of content that strangers have a provider keep, and of what is read of it. */

/** The JSON of a push, in its header field: a cid, a signature and a few numbers. */
export const PUSH_HEADER_CHARACTERS_MAX = 1_024;

// A place that content is published to.

/** An upload of which no byte goes out for so long is given up, and may be tried again. */
export const UPLOAD_STALL_TIMEOUT_MS = 30_000;
/** Whoever has all of an upload has written it to its disks by then, and answers. */
export const UPLOAD_ANSWER_TIMEOUT_MS = 120_000;
/** What is answered to an upload, or about a pin: a few lines of JSON. */
export const PUBLISHED_ANSWER_BYTES_MAX = 256 * 1024;
/** A pinning service that finds the content has it by then; it may go on after that by itself. */
export const PIN_TIMEOUT_MS = 120_000;
/** A rehearsal: a provider that fetches has IPFS_DEADLINE_MS for each of two files. */
export const DRY_RUN_TIMEOUT_MS = 150_000;

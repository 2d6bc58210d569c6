/** Bounds of content that strangers have a provider keep, and of what is read of it. */

// Whoever reads what is kept.

/** A cid with an identity hash of 128 bytes has 214 characters in base32. */
export const CONTENT_CID_CHARACTERS_MAX = 256;
/** Folders below one another in the path that a request names; each is read, and is a header. */
export const CONTENT_PATH_SEGMENTS_MAX = 32;
/** Levels of the DAG that is walked for one answer: folders, and a file's own below them. */
export const CONTENT_DEPTH_MAX = 64;
/** Nodes visited for one answer, also those that it does not send again: 64 GiB in usual blocks. */
export const CONTENT_VISITS_MAX = 65_536;
/** Links that wait to be followed in one walk, 40 bytes each: eight of the widest nodes. */
export const CONTENT_LINKS_WAITING_MAX = 65_536;
/** Answers with content at a time: each holds one block, of 2 MiB at most. */
export const CONTENT_ANSWERS_MAX = 64;
/** Of those, of one network (IPv4 /24, IPv6 /56): other providers ask for six blocks at a time. */
export const NETWORK_CONTENT_ANSWERS_MAX = 16;
/** A reader may keep us waiting for so long in all, ms, */
export const CONTENT_READER_GRACE_MS = 30_000;
/** and besides for as long as this rate takes: a slower one holds a place for nothing. */
export const CONTENT_READER_BYTES_PER_SECOND_MIN = 8 * 1024;
/** Places of one shard of a directory (UnixFS, "HAMT"): the usual is 256. */
export const DIRECTORY_FANOUT_MAX = 1_024;
/** Blocks of the cache that are found by their cid, some 80 bytes of disk each. */
export const CACHED_BLOCKS_MAX = 1_000_000;
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

// What a provider tells an owner.

/** How its deployments do is asked for a list that goes without the answer. */
export const DEPLOYMENT_STATES_TIMEOUT_MS = 5_000;

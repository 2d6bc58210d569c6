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
/**
 * Answers to another node of the same provider, and what is fetched for it, at a time: as many as
 * it looks up at a time itself (LOOKUPS_MAX). Each holds a block.
 */
export const PEER_ANSWERS_MAX = 32;
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

/** What a developer's home keeps that got nowhere: the newest one always, with a large program. */
export const UNPUBLISHED_BYTES_MAX = 256 * 1024 * 1024;

/** A CAR: the largest program's zip in small blocks, and what names these. */
export const PUSH_CAR_BYTES_MAX = 68 * 1024 * 1024;
/** Blocks of one CAR, as many as the largest program has in 4 KiB blocks: each is a row. */
export const PUSH_BLOCKS_MAX = 17_000;
/** Links in the blocks of one CAR, once in each block: each takes 8 bytes while it comes. */
export const PUSH_LINKS_MAX = 262_144;
/** Blocks in each other; folders are 32 deep at most, and so are files. */
export const PUSH_DEPTH_MAX = 64;
/** Deployments remembered to use one root, of each owner that has it kept; the newest. */
export const KEPT_USES_MAX = 64;
/** Pushes that come at a time: each takes a file, and up to 16 MB while its blocks are counted. */
export const PUSHES_MAX = 16;
/** Of those, one owner's. */
export const OWNER_PUSHES_MAX = 4;
/** A push that sends less than PUSH_PACE_BYTES in this time is ended; it can be resumed. */
export const PUSH_PACE_MS = 10_000;
/** 6.4 KB a second: a telephone's uplink has that. */
export const PUSH_PACE_BYTES = 64 * 1024;
/** What has come of a push that broke off is kept for so long, ms. */
export const PUSH_PART_MS = 60 * 60 * 1000;
/** Roots that one owner has kept: each is a file. */
export const OWNER_ROOTS_MAX = 10_000;
/** Dry runs of one owner so many at once: a few deployments, each tried again, */
export const OWNER_DRY_RUNS_BURST_MAX = 30;
/** and then so many a second: each may fetch and unpack a program, and open a sandbox. */
export const OWNER_DRY_RUNS_PER_SECOND_MAX = 1 / 2;
/** By callers of one network so many at once, */
export const NETWORK_DRY_RUNS_BURST_MAX = 100;
/** and then so many a second: an office may stand behind one. */
export const NETWORK_DRY_RUNS_PER_SECOND_MAX = 2;
/** Owners, and networks, whose dry runs or pushes are counted; one beyond it starts anew. */
export const ASKERS_REMEMBERED_MAX = 50_000;
/** Pushes of one owner so many at once, also those that are refused: some 30 deployments, */
export const OWNER_PUSHES_BURST_MAX = 60;
/** and then so many a second: each may bring as many blocks as take a quarter of a second. */
export const OWNER_PUSHES_PER_SECOND_MAX = 1 / 2;
/** From one network, with the questions how far one came: so many at once, */
export const NETWORK_PUSHES_BURST_MAX = 200;
/** and then so many a second. */
export const NETWORK_PUSHES_PER_SECOND_MAX = 2;

// What a provider tells an owner.

/** How its deployments do is asked for a list that goes without the answer. */
export const DEPLOYMENT_STATES_TIMEOUT_MS = 5_000;

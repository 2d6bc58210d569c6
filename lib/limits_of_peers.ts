/**
 * The bounds that those can make us reach whom we ask: gateways, chain endpoints, providers. To be
 * had from limits.ts, like all others.
 */

// A gateway, and whoever made the content that it delivers.

/** Block size a trustless gateway may send ("SHOULD limit to 2MiB", trustless gateway spec). */
export const BLOCK_BYTES_MAX = 2 * 1024 * 1024;
/** Content inside a CID, UnixFS "Identity CID size limit" (IPIP-0512). */
export const IDENTITY_BYTES_MAX = 128;
/** Levels of a file's DAG: a width of 2 reaches 2^32 leaves with it. */
export const DAG_DEPTH_MAX = 32;
/** Links of one node: the widest layout in use has 1,024. */
export const DAG_LINKS_MAX = 8_192;
/** Nodes visited for one file: the largest program in chunks of 1 KiB. */
export const DAG_VISITS_MAX = 65_536;
/** Header of a CAR: we ignore its roots, which are all that could make it long. */
export const CAR_HEADER_BYTES_MAX = 4 * 1024;
/** The cid before a block: version 1 under sha2-512, with a codec of two bytes. */
export const CAR_CID_BYTES_MAX = 69;
/** A varint of 63 bits (https://github.com/multiformats/unsigned-varint). */
export const VARINT_BYTES_MAX = 9;
/** What a CAR may send beyond 1.25 times the file: unrelated, early or repeated blocks. */
export const CAR_SLACK_BYTES = 4 * 1024 * 1024;
/** One file from IPFS, all gateways together. */
export const IPFS_DEADLINE_MS = 60_000;
/** A gateway without a first byte by then gets a competitor. */
export const GATEWAY_HEDGE_MS = 1_500;
/** A gateway that sends less than GATEWAY_PROGRESS_BYTES in this time is given up. */
export const GATEWAY_STALL_MS = 5_000;
/** Below 4 KB/s a program does not arrive within the deadline. */
export const GATEWAY_PROGRESS_BYTES = 20_000;
/** Redirects that one request follows: path to subdomain, old operator to new one. */
export const GATEWAY_REDIRECTS_MAX = 4;
/** Single blocks asked of one gateway at a time. */
export const GATEWAY_BLOCKS_IN_FLIGHT_MAX = 6;
/**
 * Longest back-off that a gateway can make us keep: one request a minute, which tells whether it
 * has recovered, is no burden to it.
 */
export const GATEWAY_BACKOFF_SECONDS_MAX = 60;
/** What a Kubo node may answer to an import: one line a root. */
export const KUBO_ANSWER_BYTES_MAX = 64 * 1024;
/** `doctor` waits so long for a gateway, or for our own URL. */
export const PROBE_TIMEOUT_MS = 10_000;

// Another node of the same provider.

/** A node without a first byte by then gets a competitor: what it has it has on its disk. */
export const PEER_HEDGE_MS = 100;
/** Without one by then it is given up: its machine has gone, or stands still. */
export const PEER_SILENT_MS = 1_000;
/**
 * A content's home that fetches it has it whole before its first byte: 64 MiB in this time. Then we
 * ask gateways beside it.
 */
export const HOME_HEDGE_MS = 10_000;

// A chain endpoint, and whoever wrote what stands on the chain.

/** One JSON-RPC call to the chain. */
export const RPC_TIMEOUT_MS = 10_000;
/** An endpoint that failed is left alone for so long at first, then twice as long each time. */
export const RPC_REST_MS = 1_000;
/** One that stays away is tried once a minute: it costs a question, and may be the only one. */
export const RPC_REST_MS_MAX = 60_000;
/** Between the times that endpoints which differ are asked again: one may lag by some blocks. */
export const RPC_AGREEMENT_PAUSES_MS: readonly number[] = [100, 200, 400, 800];
/** An endpoint whose newest block is older than this, while another's is not, stands still. */
export const RPC_AGE_SECONDS_MAX = 60;
/** Free nonces below ours that are filled; beyond it the count that showed them was a lie. */
export const NONCE_HOLE_MAX = 64;
/** Until a broadcast transaction is mined: dozens of blocks on the slowest chain we know. */
export const RECEIPT_TIMEOUT_MS = 180_000;
/** An ENS name in its dotted form; DNS encoding bounds it too (RFC 1035). */
export const NAME_BYTES_MAX = 255;
/** A resolver's text record that we are willing to read (a PQ recipient has 1,959 characters). */
export const RECORD_BYTES_MAX = 16 * 1024;

// A provider, to its developers and payers.

/** Terms text served at /terms. */
export const TERMS_BYTES_MAX = 256 * 1024;
/** One request to a provider's own paths (/terms, /stop). */
export const PROVIDER_HTTP_TIMEOUT_MS = 15_000;
/** JSON that a provider answers there. */
export const PROVIDER_JSON_BYTES_MAX = 1024 * 1024;
/** A hundred runs with all the stderr that is kept of each, most of it escaped. */
export const PROVIDER_LOGS_BYTES_MAX = 48 * 1024 * 1024;
/** Until a provider whose log is followed, and that is away, is asked again; then twice as long. */
export const LOG_RETRY_MS = 1_000;
/** It is back within minutes as a rule, and a question costs little. */
export const LOG_RETRY_MS_MAX = 30_000;
/** A provider that is asked to settle now: a batch, or several, mined on a slow chain. */
export const SETTLE_TIMEOUT_MS = 180_000;
/** Counts that one call takes from 402s: other clients on its lane may be faster. */
export const CORRECTIONS_MAX = 16;
/**
 * What a provider's word on a lane's count can make a client sign for beyond what is known and
 * proved, USDC base units: 1 USDC, over all 402s of a call, and over all calls of a day.
 */
export const CORRECTION_AMOUNT_MAX = 1_000_000n;
/** A provider says how long answers take: a paid call that got lost counts as under way so long. */
export const CALL_UNDERWAY_MS_MAX = 10 * 60_000;
/** What a relayer may ask for a message without the payer's word for it, base units: 1 USDC. */
export const RELAY_FEE_MAX = 1_000_000n;

// Whoever hands us a release.

/** A .minisig or a public key: minisign takes comments of 1,024 and 8,192 bytes, and two lines. */
export const MINISIGN_CHARS_MAX = 12 * 1024;
/** A package, which is held whole: what is verified is what is installed. Ours has some 45 MB. */
export const PACKAGE_BYTES_MAX = 512 * 1024 * 1024;

/** Who wait at a time until all nodes know of a stop; others are told to ask again. */
export const HEARING_MAX = 256;

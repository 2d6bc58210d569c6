/**
 * Every bound of the system, with its unit in the name and the reason for its size.
 * A request, a spec, a program or a peer can make us use this much and no more.
 */

/** Wall clock of one run; the seed asks for "15 secs or so". */
export const RUN_TIMEOUT_MS = 15_000;
/** Between the polite end (closing stdin, killing) and giving up on a process. */
export const KILL_GRACE_MS = 2_000;

/** A decrypted spec: two post-quantum recipients take 4.8 KB, env secrets the rest. */
export const SPEC_BYTES_MAX = 64 * 1024;
/** Request body: held by the stream only, bounded so that one caller cannot fill a program's tmp. */
export const REQUEST_BODY_BYTES_MAX = 16 * 1024 * 1024;
/** All request headers together; they become argv, whose kernel limit is 128 KiB an entry. */
export const REQUEST_HEADER_BYTES_MAX = 16 * 1024;
/** One request target (path and query). */
export const REQUEST_TARGET_BYTES_MAX = 8 * 1024;
/** What a program may print in one run. */
export const RESPONSE_BYTES_MAX = 16 * 1024 * 1024;
/** The status line and headers that a program prints with `HTTP/`. */
export const RESPONSE_HEAD_BYTES_MAX = 64 * 1024;
/** stderr kept for the owner's log; the rest is read and dropped. */
export const STDERR_BYTES_MAX = 64 * 1024;

/** Program zip as published. */
export const PROGRAM_ZIP_BYTES_MAX = 64 * 1024 * 1024;
/** Program once unpacked: bounds a zip bomb on disk. */
export const PROGRAM_UNPACKED_BYTES_MAX = 256 * 1024 * 1024;
/** Entries in a program zip; bounds inodes. */
export const PROGRAM_ENTRIES_MAX = 10_000;
/** Length of one path in a program zip. */
export const PROGRAM_PATH_BYTES_MAX = 1_024;

/** Memory of one run unless the spec asks for less. */
export const RUN_MEMORY_MB_MAX = 512;
/** Concurrent runs of one deployment. */
export const DEPLOYMENT_CONCURRENCY_MAX = 64;
/** Concurrent runs of one provider: beyond it a free 503. */
export const PROVIDER_CONCURRENCY_MAX = 64;

/** Block size a trustless gateway may send ("SHOULD limit to 2MiB", trustless gateway spec). */
export const BLOCK_BYTES_MAX = 2 * 1024 * 1024;
/** Disk that verified content may hold before the least recently used goes. */
export const CACHE_BYTES_MAX = 4 * 1024 * 1024 * 1024;

/** Specs, env and permits in one PAYMENT-SIGNATURE header. */
export const PAYMENT_HEADER_BYTES_MAX = 8 * 1024;
/** Terms text served at /terms. */
export const TERMS_BYTES_MAX = 256 * 1024;
/** A resolver's text record that we are willing to read (a PQ recipient has 1,959 characters). */
export const RECORD_BYTES_MAX = 16 * 1024;
/** One JSON-RPC call to the chain. */
export const RPC_TIMEOUT_MS = 10_000;

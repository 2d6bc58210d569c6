/**
 * Bounds of deployments that are called for the first time: how long what finds no room waits for
 * it, and what their programs take meanwhile.
 */

// A caller: lookups of deployments, beside what is in limits.ts.

/** Lookups of what is kept on this machine, which no gateway is asked for, so many at once, */
export const HERE_LOOKUPS_BURST_MAX = 100;
/** and then so many a second; beyond it they count as others do. */
export const HERE_LOOKUPS_PER_SECOND_MAX = 4;
/** A lookup that finds no room waits so long: others come to a paid call and make room, or fail. */
export const LOOKUP_WAIT_MS = 10_000;
/** What was found is hoped to come to a paid call for so long; a large program takes a while. */
export const LOOKUP_PROVING_MS = 10_000;
/** Lookups that wait so; beyond it a free 503, or 429. */
export const LOOKUPS_WAITING_MAX = 512;
/** Of those, one network's: a proxy may stand before everybody. */
export const NETWORK_LOOKUPS_WAITING_MAX = 256;

// A deployer: its programs.

/** A program that finds no room among those being fetched waits so long: callers' clients do. */
export const PROGRAM_START_WAIT_MS = 10_000;
/** Programs that wait so; beyond it a free 503. */
export const PROGRAM_STARTS_WAITING_MAX = 512;
/** Of those, one owner's: at four a time they are done in time. */
export const OWNER_PROGRAM_STARTS_WAITING_MAX = 64;
/**
 * Memory of one that is larger than PROGRAM_SMALL_BYTES_MAX: blocks of 2 MiB on their way from a
 * gateway, and pieces of its files.
 */
export const PROGRAM_STREAM_BYTES_MAX = 12 * 1024 * 1024;
/** Of blocks that come before their turn: beyond it a CAR is given up for single blocks. */
export const EARLY_BYTES_MAX = 4 * 1024 * 1024;

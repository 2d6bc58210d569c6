/** Bounds of callers that are slow: what waits for one holds a slot and memory, and is not paid. */

/** An answer is taken, or a request's body sent, at this pace while it is waited for, a second, */
export const CALLER_PACE_BYTES_MIN = 64 * 1024;
/** but for so long, ms: a network may stand still for a moment, and a first byte take its time. */
export const SENDER_PATIENCE_MS = 15_000;
/**
 * The same of who takes an answer, ms: at that pace 4 MB, in steps of which a kernel tells us what
 * was taken. Linux does once a third of 4 MB on our side was (tcp_wmem), and on the caller's a
 * sixteenth of up to 32 (tcp_rmem).
 */
export const TAKER_PATIENCE_MS = 64_000;
/** One run waits for its caller so long in all, ms: 100 MiB at 170 KiB a second. */
export const CALLER_WAIT_MS_MAX = 600_000;

/** Limits of what goes on while one process of a provider takes another one's place. */

/**
 * While one process takes another's place a request waits no longer: the books pass on within a
 * tenth of a second, and callers that wait for longer have mostly gone.
 */
export const HANDOVER_WAIT_MS = 15_000;
/**
 * A tunnel lasts no longer in a process whose place another took: it may go on for hours, and the
 * memory of two providers is there for a change alone. Its ends connect anew, as they do whenever a
 * network breaks.
 */
export const HANDOVER_TUNNEL_MS = 120_000;
/**
 * An idle connection to such a process is closed after this long: the next request on it would be
 * its last, and the process waits for nothing else.
 */
export const HANDOVER_IDLE_MS = 15_000;

/** Bounds of runs that go on at a time, and of calls that wait for one of their slots. */

/** Runs at a time for each processor: most wait for what they called, and idle ones cost little. */
const SLOTS_PER_PROCESSOR = 32;
/** Few runs take all the memory that they may: so many times of what is there may be given out. */
const SLOT_MEMORY_OVERCOMMIT = 2;
/** Of the smallest machine: below it an owner could have all of them. */
const SLOTS_LEAST = 4;
/** Of the largest, unless it configures more: each run is a few descriptors of this process. */
const SLOTS_MOST = 1_024;

/**
 * Runs of a provider at a time, unless it configures a number (`sandbox.concurrency`).
 * @param memoryMb what one run may use
 */
export function slotsFor(
  { processors, memoryBytes }: { processors: number; memoryBytes: number },
  memoryMb: number,
): number {
  const inMemory = SLOT_MEMORY_OVERCOMMIT * memoryBytes / (memoryMb * 1024 * 1024);
  const fitting = Math.floor(Math.min(SLOTS_PER_PROCESSOR * processors, inMemory));
  return Math.min(SLOTS_MOST, Math.max(SLOTS_LEAST, fitting));
}

/**
 * Calls that wait for a slot, one owner's 1,280 at most, and 1,024 at most of those that it pays
 * itself: some 0.1 MB each with their socket.
 */
export const CALLS_WAITING_MAX = 1_600;
/** Of those of one owner, that one payer pays for itself: others find room beside it. */
export const PAYER_CALLS_WAITING_MAX = 512;
/** A call waits so long at most, ms: by then its caller would rather try again. */
export const SLOT_WAIT_MS = 3_000;
/** Who is refused is told to come back no later than in so long, ms: it is a guess by then. */
export const SLOT_RETRY_MS_MAX = 60_000;
/** Refusals kept as they are said: one for each number of seconds, and of runs at a time. */
export const SLOT_REFUSALS_KEPT_MAX = 1_024;

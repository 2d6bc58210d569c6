/** A clock that a test moves by hand. */
import type { Clock } from "../lib/clock.ts";

export interface ManualClock extends Clock {
  /** Moves the time on and runs what is due, in order, also what that starts. */
  advance(ms: number): void;
  /** Timers that wait. */
  pending(): number;
}

/** Starts at `startMs` and stands still. */
export function manualClock(startMs = 1_700_000_000_000): ManualClock {
  let now = startMs;
  const timers = new Set<{ dueMs: number; callback: () => void }>();
  const nextDue = (untilMs: number) =>
    [...timers].filter(({ dueMs }) => dueMs <= untilMs).sort((a, b) => a.dueMs - b.dueMs)[0];
  return {
    now: () => now,
    after(ms, callback) {
      const timer = { dueMs: now + ms, callback };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance(ms) {
      const end = now + ms;
      for (let timer = nextDue(end); timer !== undefined; timer = nextDue(end)) {
        timers.delete(timer);
        now = timer.dueMs;
        timer.callback();
      }
      now = end;
    },
    pending: () => timers.size,
  };
}

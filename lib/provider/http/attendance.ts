/**
 * Callers that go away while they are served. Asking for a request's signal costs a short call a
 * good part of its time, so a call is only looked after once it has lasted a moment.
 */
import type { Soon } from "./short_timer.ts";

/** One call, looked after until `end`. */
export interface Attendance {
  /** Looks after the call from now on: it will take a while. */
  expectLong(): void;
  /** Whether the caller is known to have gone. */
  hasGone(): boolean;
  /** Calls `leave` once when the caller goes, or has gone. */
  whenGone(leave: () => void): void;
  end(): void;
}

/** Looks after a request's caller. */
export function attend(request: Pick<Request, "signal">, soon: Soon): Attendance {
  let [isGone, isLookedAfter, isOver] = [false, false, false];
  let leave: (() => void) | null = null;

  function gone(): void {
    if (isOver) return;
    isGone = true;
    leave?.();
    leave = null;
  }

  function lookAfter(): void {
    if (isLookedAfter || isOver) return;
    isLookedAfter = true;
    const { signal } = request;
    if (signal.aborted) gone();
    else signal.addEventListener("abort", gone, { once: true });
  }

  const forget = soon.after(lookAfter);
  return {
    expectLong: lookAfter,
    hasGone: () => isGone,
    whenGone(then) {
      if (isGone) then();
      else leave = then;
    },
    end() {
      isOver = true;
      leave = null;
      forget();
    },
  };
}

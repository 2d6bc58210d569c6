/**
 * Callers that go away while they are served. Asking for a request's signal costs a short call a
 * good part of its time, so a call is only looked after once it has lasted a moment.
 */

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

export interface HangUps {
  attend(request: Pick<Request, "signal">): Attendance;
  close(): void;
}

/** Calls that last one to two of these are looked after, ms. */
const LOOK_MS = 5;

interface Attended {
  /** Until it is looked after, or over. */
  request: Pick<Request, "signal"> | null;
  isGone: boolean;
  leave: (() => void) | null;
}

export function createHangUps(): HangUps {
  /**
   * Calls since the last look, and since the one before. Not sets: what a set has held while it was
   * rehashed the garbage collector keeps for long, and here that would be whole calls.
   */
  let [young, older]: [Attended[], Attended[]] = [[], []];
  let timer: ReturnType<typeof setTimeout> | null = null;

  /** Left to fire: setting a timer for each call would cost as much as the signal. */
  function arm(): void {
    timer ??= setTimeout(look, LOOK_MS);
  }

  function look(): void {
    timer = null;
    older.forEach(lookAfter);
    [older, young] = [young, []];
    if (older.length > 0) arm();
  }

  function lookAfter(call: Attended): void {
    if (call.request === null) return;
    const { signal } = call.request;
    call.request = null;
    const gone = () => {
      call.isGone = true;
      call.leave?.();
      call.leave = null;
    };
    if (signal.aborted) gone();
    else signal.addEventListener("abort", gone, { once: true });
  }

  return {
    attend(request) {
      const call: Attended = { request, isGone: false, leave: null };
      young.push(call);
      arm();
      return {
        expectLong: () => lookAfter(call),
        hasGone: () => call.isGone,
        whenGone(leave) {
          if (call.isGone) leave();
          else call.leave = leave;
        },
        end() {
          call.request = null;
          call.leave = null;
        },
      };
    },
    close() {
      if (timer !== null) clearTimeout(timer);
      timer = null;
      [young, older] = [[], []];
    },
  };
}

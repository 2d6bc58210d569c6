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
  request: Pick<Request, "signal">;
  isOld: boolean;
  isGone: boolean;
  leave: (() => void) | null;
}

export function createHangUps(): HangUps {
  /** Calls that nobody looks after yet. */
  const young = new Set<Attended>();
  let timer: ReturnType<typeof setTimeout> | null = null;

  /** Left to fire: setting a timer for each call would cost as much as the signal. */
  function arm(): void {
    timer ??= setTimeout(look, LOOK_MS);
  }

  function look(): void {
    timer = null;
    for (const call of young) {
      if (call.isOld) lookAfter(call);
      else call.isOld = true;
    }
    if (young.size > 0) arm();
  }

  function lookAfter(call: Attended): void {
    if (!young.delete(call)) return;
    const gone = () => {
      call.isGone = true;
      call.leave?.();
      call.leave = null;
    };
    const { signal } = call.request;
    if (signal.aborted) gone();
    else signal.addEventListener("abort", gone, { once: true });
  }

  return {
    attend(request) {
      const call: Attended = { request, isOld: false, isGone: false, leave: null };
      young.add(call);
      arm();
      return {
        expectLong: () => lookAfter(call),
        hasGone: () => call.isGone,
        whenGone(leave) {
          if (call.isGone) leave();
          else call.leave = leave;
        },
        end() {
          young.delete(call);
          call.leave = null;
        },
      };
    },
    close() {
      if (timer !== null) clearTimeout(timer);
      timer = null;
      young.clear();
    },
  };
}

/**
 * Several gateways, one result: the next one is asked when those before failed or sent no byte in
 * time, and the first that finishes wins.
 */
import { KhachapuriError } from "../errors.ts";
import { GATEWAY_HEDGE_MS, GATEWAY_PROGRESS_BYTES, GATEWAY_STALL_MS } from "../limits.ts";
import type { Clock } from "../clock.ts";

/** One way to get the result; `progress` is told the bytes that arrived. */
export type Racer<T> = (signal: AbortSignal, progress: (bytes: number) => void) => Promise<T>;

export interface RaceOptions {
  clock: Clock;
  /** Ends the race from outside; its reason is what the race then throws. */
  signal: AbortSignal;
  /** Whether an error holds for every racer, so that asking another one is pointless. */
  isFinal(error: unknown): boolean;
}

/** The value of the first that finished, or what each of them failed with. */
export type RaceResult<T> = { won: true; value: T } | { won: false; errors: unknown[] };

/**
 * Runs `racers` in order. The next one starts when the last started fails, or gives no first byte
 * in 1.5 s. One that has begun and then sends too little for 5 s is cancelled.
 * @throws what `signal` was aborted with, or a final error
 */
export function race<T>(racers: readonly Racer<T>[], options: RaceOptions): Promise<RaceResult<T>> {
  const { clock, signal, isFinal } = options;
  return new Promise((resolve, reject) => {
    const running = new Set<() => void>();
    const errors: unknown[] = [];
    let started = 0;

    const finish = (settle: () => void) => {
      signal.removeEventListener("abort", aborted);
      for (const stop of running) stop();
      running.clear();
      settle();
    };
    const aborted = () => finish(() => reject(signal.reason));
    const startNext = () => {
      const racer = racers[started];
      if (racer !== undefined) {
        started++;
        run(racer);
      } else if (running.size === 0) finish(() => resolve({ won: false, errors }));
    };
    const run = (racer: Racer<T>) => {
      let hedged = false;
      const fail = (error: unknown) => {
        if (!running.delete(stop)) return;
        stop(error);
        errors.push(error);
        if (isFinal(error)) finish(() => reject(error));
        else if (!hedged || running.size === 0) startNext();
      };
      const hedge = () => {
        hedged = true;
        startNext();
      };
      const watch = watchProgress(clock, hedge, fail);
      const controller = new AbortController();
      const stop = (reason?: unknown) => {
        watch.stop();
        controller.abort(reason);
      };
      running.add(stop);
      racer(controller.signal, watch.progress).then((value) => {
        if (running.has(stop)) finish(() => resolve({ won: true, value }));
      }, fail);
    };

    if (signal.aborted) return aborted();
    signal.addEventListener("abort", aborted);
    startNext();
  });
}

/**
 * Calls `late` when no byte has come within GATEWAY_HEDGE_MS, and `stalled` when later fewer than
 * GATEWAY_PROGRESS_BYTES come within GATEWAY_STALL_MS.
 */
function watchProgress(clock: Clock, late: () => void, stalled: (error: unknown) => void) {
  let bytes = 0;
  let begun = false;
  let stopped = false;
  let cancel = clock.after(GATEWAY_HEDGE_MS, late);
  const check = () => {
    if (bytes < GATEWAY_PROGRESS_BYTES) {
      return stalled(new KhachapuriError("ipfs_unavailable", "the gateway stalled"));
    }
    bytes = 0;
    cancel = clock.after(GATEWAY_STALL_MS, check);
  };
  return {
    progress(received: number): void {
      bytes += received;
      if (begun || stopped) return;
      begun = true;
      cancel();
      cancel = clock.after(GATEWAY_STALL_MS, check);
    },
    stop(): void {
      stopped = true;
      cancel();
    },
  };
}

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
  /** How long each may take to its first byte before the next one starts; by default 1.5 s. */
  hedgeMs?: (racer: number) => number;
  /** One without a first byte by then is cancelled; by default it may take any time. */
  silentMs?: number;
}

/** The value of the first that finished, or what each of them failed with. */
export type RaceResult<T> = { won: true; value: T } | { won: false; errors: unknown[] };

/**
 * Runs `racers` in order. The next one starts when the last started fails, or gives no first byte
 * in time. One that has begun and then sends too little for 5 s is cancelled.
 * @throws what `signal` was aborted with, or a final error
 */
export function race<T>(racers: readonly Racer<T>[], options: RaceOptions): Promise<RaceResult<T>> {
  const { signal, isFinal } = options;
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
      if (racer !== undefined) run(racer, started++);
      else if (running.size === 0) finish(() => resolve({ won: false, errors }));
    };
    const run = (racer: Racer<T>, index: number) => {
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
      const watch = watchProgress(options, index, hedge, fail);
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
 * Calls `late` when no byte has come in time for it, and `stalled` when none comes as long as one
 * may be silent, or when later fewer than GATEWAY_PROGRESS_BYTES come within GATEWAY_STALL_MS.
 */
function watchProgress(
  { clock, hedgeMs = () => GATEWAY_HEDGE_MS, silentMs = Infinity }: RaceOptions,
  racer: number,
  late: () => void,
  stalled: (error: unknown) => void,
) {
  let bytes = 0;
  let begun = false;
  let stopped = false;
  let cancel = clock.after(hedgeMs(racer), () => {
    late();
    if (stopped || silentMs === Infinity) return;
    cancel = clock.after(silentMs - hedgeMs(racer), () => stalled(silent()));
  });
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

function silent(): KhachapuriError {
  return new KhachapuriError("ipfs_unavailable", "nothing came in time");
}

/** Waiting by a clock that is given, until somebody wants it to end. */
import type { Clock } from "../../clock.ts";

/** @throws what `signal` was ended with, as soon as it is */
export function until(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const ended = () => reject(signal.reason);
  signal.addEventListener("abort", ended, { once: true });
  const cancel = clock.after(ms, resolve);
  return promise.finally(() => {
    cancel();
    signal.removeEventListener("abort", ended);
  });
}

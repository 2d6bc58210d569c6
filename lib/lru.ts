/**
 * Bounded maps that forget what was not used for longest. Who is used all the time is moved behind
 * the others now and then, not each time: moving replaces a map's table every few calls, and the
 * garbage collector keeps dead tables for long.
 */

export interface Recent<Value> {
  /** Counts as a use. */
  get(key: string): Value | undefined;
  /** Makes room by forgetting another where there is none. */
  set(key: string, value: Value): void;
}

/** How often one is moved at most, ms; as exact is the order of use. */
export const MOVED_MS = 1_000;

interface Kept<Value> {
  value: Value;
  movedAt: number;
}

/** @param now a clock that does not go back, ms */
export function createRecent<Value>(
  most: number,
  now: () => number = () => performance.now(),
): Recent<Value> {
  const kept = new Map<string, Kept<Value>>();

  function put(key: string, value: Value): void {
    kept.delete(key);
    if (kept.size >= most) kept.delete(kept.keys().next().value!);
    kept.set(key, { value, movedAt: now() });
  }

  return {
    get(key) {
      const found = kept.get(key);
      if (found && now() - found.movedAt >= MOVED_MS) put(key, found.value);
      return found?.value;
    },
    set: put,
  };
}

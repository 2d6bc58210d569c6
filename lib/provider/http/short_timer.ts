/**
 * Timers for what is mostly over before they fire: one for all that was asked for lately. Setting
 * and clearing one of its own would cost a short call a good part of its time.
 */

export interface Soon {
  /**
   * Calls back once, `SOON_MS` to twice that from now.
   * @returns takes it back
   */
  after(callback: () => void): () => void;
  /** Calls back nobody any more. */
  close(): void;
}

/** After this a call is no longer a short one, ms. */
export const SOON_MS = 5;

interface Asked {
  callback: (() => void) | null;
}

export function createSoon(): Soon {
  /**
   * Since the last turn, and since the one before. Not sets: what a set has held while it was
   * rehashed the garbage collector keeps for long, and here that would be whole calls.
   */
  let [young, older]: [Asked[], Asked[]] = [[], []];
  let timer: ReturnType<typeof setTimeout> | null = null;

  function turn(): void {
    timer = null;
    const due = older;
    [older, young] = [young, []];
    if (older.length > 0) arm();
    for (const { callback } of due) callback?.();
  }

  function arm(): void {
    timer ??= setTimeout(turn, SOON_MS);
  }

  return {
    after(callback) {
      const asked: Asked = { callback };
      young.push(asked);
      arm();
      return () => asked.callback = null;
    },
    close() {
      if (timer !== null) clearTimeout(timer);
      timer = null;
      [young, older] = [[], []];
    },
  };
}

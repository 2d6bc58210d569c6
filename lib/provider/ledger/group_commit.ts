/** Group commit: items that come together, or while the disk is busy, share a write and a sync. */
import { setImmediate } from "node:timers";

/**
 * How far a write has got when its promise resolves. "disk": it outlives the machine's power.
 * "handed over": the operating system has it, so it outlives this process, and within
 * `SYNC_WITHIN_MS` it is on disk as well.
 */
export type Until = "disk" | "handed over";

export interface GroupCommit<Item> {
  /**
   * Writes the items after all that came before. What is only to be handed over goes in one write
   * with all that comes in the same turn of the event loop.
   */
  write(items: readonly Item[], until: Until): Promise<void>;
  /** How many items have come so far. */
  mark(): number;
  /** Whether everything up to a mark is on disk. */
  isOnDisk(mark: number): boolean;
  /** Resolves when everything so far is on disk. */
  sync(): Promise<void>;
  /** As `sync`; nothing may come after it. */
  close(): Promise<void>;
}

export interface CommitSteps<Item> {
  /** Hands the items to the operating system in one transaction. */
  write(items: readonly Item[]): void;
  /** Has the operating system put what was written on the disk. */
  sync(): Promise<void>;
}

/** What was only handed over waits no longer than this for its sync to begin, ms. */
export const SYNC_WITHIN_MS = 10;

/**
 * At most one sync is under way; items that come meanwhile are written together after it. Once a
 * step has failed, memory and disk disagree: every write after that is rejected with its error.
 */
export function createGroupCommit<Item>(steps: CommitSteps<Item>): GroupCommit<Item> {
  let waiting: Item[] = [];
  /** The commit that will carry what is waiting. */
  let next: Promise<void> | null = null;
  /** The commit that is being synced. */
  let current: Promise<void> = Promise.resolve();
  let failure: { error: unknown } | null = null;
  /** Items so far: that arrived, that the sync under way covers, that are on disk. */
  let [arrived, covered, synced] = [0, 0, 0];
  /** The write of this turn of the event loop. */
  let turn: Promise<void> | null = null;
  let timer: ReturnType<typeof setTimeout> | null = null;
  let isClosed = false;

  function attempt<T>(step: () => T): T {
    if (failure) throw failure.error;
    try {
      return step();
    } catch (error) {
      failure = { error };
      throw error;
    }
  }

  function writeWaiting(): void {
    const items = waiting;
    waiting = [];
    if (failure) throw failure.error;
    if (items.length === 0) return;
    attempt(() => steps.write(items));
  }

  function writeTurn(): void {
    turn = null;
    writeWaiting();
    if (covered < arrived && !isClosed) armSync();
  }

  async function commit(): Promise<void> {
    current = next!;
    next = null;
    writeWaiting();
    const upTo = covered = arrived;
    await attempt(steps.sync).catch((error) => {
      failure = { error };
      throw error;
    });
    synced = upTo;
  }

  function syncNext(): Promise<void> {
    return next ??= current.then(commit, commit);
  }

  function sync(): Promise<void> {
    return covered < arrived ? syncNext() : current;
  }

  /** The timer is left to fire: one set anew for each write would cost more than a sync in vain. */
  function armSync(): void {
    timer ??= setTimeout(() => {
      timer = null;
      // A failure is kept in `failure` and rejects the next write, so that a caller hears of it.
      sync().catch(() => {});
    }, SYNC_WITHIN_MS);
  }

  return {
    write(items, until) {
      waiting.push(...items);
      arrived += items.length;
      if (until === "disk") return syncNext();
      return turn ??= new Promise<void>((resolve) => setImmediate(resolve)).then(writeTurn);
    },
    mark: () => arrived,
    isOnDisk: (mark) => failure === null && mark <= synced,
    sync,
    async close() {
      isClosed = true;
      if (timer !== null) clearTimeout(timer);
      await sync();
    },
  };
}

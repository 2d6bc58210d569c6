/** Group commit: what arrives together, or while the disk is busy, shares a write and a sync. */
import { setImmediate } from "node:timers";

export interface GroupCommit<Item> {
  /** Resolves when the items are on disk. */
  add(items: readonly Item[]): Promise<void>;
  /**
   * Hands the items to the operating system, in one write with all that comes in the same turn of
   * the event loop. Resolves when they outlive this process; within `SYNC_WITHIN_MS` they are on
   * disk as well.
   */
  write(items: readonly Item[]): Promise<void>;
  /** How many items have come so far. */
  mark(): number;
  /** Whether everything up to a mark is on disk. */
  isSynced(mark: number): boolean;
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

/** What was only written waits no longer than this for its sync to begin, ms. */
export const SYNC_WITHIN_MS = 10;

/**
 * At most one sync is under way; items that are added meanwhile are written together after it. Once
 * a step has failed memory and disk disagree, so nothing more is accepted: all that comes fails.
 */
export function createGroupCommit<Item>(steps: CommitSteps<Item>): GroupCommit<Item> {
  let waiting: Item[] = [];
  /** The commit that will carry what is waiting. */
  let next: Promise<void> | null = null;
  /** The commit that is being synced. */
  let current: Promise<void> = Promise.resolve();
  let failure: { error: unknown } | null = null;
  /** Items so far: that came, that the sync under way covers, that are on disk. */
  let [come, covered, synced] = [0, 0, 0];
  /** The write of this turn. */
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
    if (covered < come && !isClosed) syncSoon();
  }

  async function commit(): Promise<void> {
    current = next!;
    next = null;
    writeWaiting();
    const upTo = covered = come;
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
    return covered < come ? syncNext() : current;
  }

  /** Left to fire: setting a timer for each write would cost more than a look in vain. */
  function syncSoon(): void {
    timer ??= setTimeout(() => {
      timer = null;
      // Who comes next is told of a failure.
      sync().catch(() => {});
    }, SYNC_WITHIN_MS);
  }

  return {
    add(items) {
      waiting.push(...items);
      come += items.length;
      return syncNext();
    },
    write(items) {
      waiting.push(...items);
      come += items.length;
      return turn ??= new Promise<void>((resolve) => setImmediate(resolve)).then(writeTurn);
    },
    mark: () => come,
    isSynced: (mark) => failure === null && mark <= synced,
    sync,
    async close() {
      isClosed = true;
      if (timer !== null) clearTimeout(timer);
      await sync();
    },
  };
}

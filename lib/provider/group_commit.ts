/** Group commit: what arrives together, or while the disk is busy, shares a write and a sync. */

export interface GroupCommit<Item> {
  /** Resolves when the items are on disk. */
  add(items: readonly Item[]): Promise<void>;
  /** Resolves when everything added so far is on disk. */
  drain(): Promise<void>;
}

export interface CommitSteps<Item> {
  /** Hands the items to the operating system in one transaction. */
  write(items: readonly Item[]): void;
  /** Has the operating system put what was written on the disk. */
  sync(): Promise<void>;
}

/**
 * At most one sync is under way; items that come in meanwhile are written together after it. Once a
 * step has failed memory and disk disagree, so nothing more is accepted: every later add fails too.
 */
export function createGroupCommit<Item>(steps: CommitSteps<Item>): GroupCommit<Item> {
  let waiting: Item[] = [];
  /** The commit that will carry what is waiting. */
  let next: Promise<void> | null = null;
  /** The commit that is being synced. */
  let current: Promise<void> = Promise.resolve();
  let failure: { error: unknown } | null = null;

  async function commit(): Promise<void> {
    const items = waiting;
    waiting = [];
    current = next!;
    next = null;
    if (failure) throw failure.error;
    try {
      steps.write(items);
      await steps.sync();
    } catch (error) {
      failure = { error };
      throw error;
    }
  }

  return {
    add(items) {
      waiting.push(...items);
      next ??= current.then(commit, commit);
      return next;
    },
    async drain() {
      await (next ?? current);
    },
  };
}

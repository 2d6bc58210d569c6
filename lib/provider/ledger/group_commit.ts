/** Group commit: items that come together, or while the disk is busy, share a write and a sync. */
import { setImmediate } from "node:timers";

/**
 * How far a write has got when its promise resolves. "disk": it outlives the machine's power.
 * "handed over": the operating system has it, so it outlives this process, and within
 * `SYNC_WITHIN_MS` it is on disk as well.
 */
export type Until = "disk" | "handed over";

export interface CommitSteps<Item> {
  /**
   * Hands the items to the operating system, all or none.
   * @param isSynced `sync` is called next, with nothing in between
   */
  write(items: readonly Item[], isSynced: boolean): void;
  /** Has the operating system put what was written on the disk. */
  sync(): Promise<void>;
}

/** What was only handed over waits no longer than this for its sync to begin, ms. */
export const SYNC_WITHIN_MS = 10;

/**
 * At most one sync is under way; items that come meanwhile are written together after it. Once a
 * step has failed, memory and disk disagree: every write after that is rejected with its error.
 */
export class GroupCommit<Item, Failure = unknown> {
  #waiting: Item[] = [];
  /** The commit that will carry what is waiting. */
  #next: Promise<void> | null = null;
  /** The commit that is being synced. */
  #current: Promise<void> = Promise.resolve();
  #failure: { error: Failure } | null = null;
  /** Items so far: that arrived, that the sync under way covers, that are on disk. */
  #arrived = 0;
  #covered = 0;
  #synced = 0;
  /** The write of this turn of the event loop. */
  #turn: Promise<void> | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #isClosed = false;
  /** Made once and not for each commit. */
  readonly #commit = () => this.#commitNext();
  readonly #endTurn = () => this.#writeTurn();

  constructor(private readonly steps: CommitSteps<Item>) {}

  /**
   * Writes the items after all that came before. What is only to be handed over goes in one write
   * with all that comes in the same turn of the event loop.
   */
  write(items: readonly Item[], until: Until): Promise<void> {
    this.#waiting.push(...items);
    this.#arrived += items.length;
    if (until === "disk") return this.#syncNext();
    return this.#turn ??= new Promise<void>((resolve) => setImmediate(resolve))
      .then(this.#endTurn);
  }

  /** Has what waits written now, as if a sync came next. @throws what failed, now or before */
  writeNow(): void {
    if (this.#failure) throw this.#failure.error;
    this.#writeWaiting(true);
  }

  /** Why nothing is written any more; null while all is. */
  failure(): Failure | null {
    return this.#failure && this.#failure.error;
  }

  /** How many items have come so far. */
  mark(): number {
    return this.#arrived;
  }

  /** Whether everything up to a mark is on disk. */
  isOnDisk(mark: number): boolean {
    return this.#failure === null && mark <= this.#synced;
  }

  /** Resolves when everything so far is on disk. */
  sync(): Promise<void> {
    return this.#covered < this.#arrived ? this.#syncNext() : this.#current;
  }

  /** As `sync`; nothing may come after it. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.sync();
  }

  #syncNext(): Promise<void> {
    return this.#next ??= this.#current.then(this.#commit, this.#commit);
  }

  async #commitNext(): Promise<void> {
    this.#current = this.#next!;
    this.#next = null;
    this.#writeWaiting(true);
    const upTo = this.#covered = this.#arrived;
    await this.#attempt(this.steps.sync).catch((error) => {
      this.#failure = { error: error as Failure };
      throw error;
    });
    this.#synced = upTo;
  }

  #writeTurn(): void {
    this.#turn = null;
    this.#writeWaiting(false);
    if (this.#covered < this.#arrived && !this.#isClosed) this.#armSync();
  }

  #writeWaiting(isSynced: boolean): void {
    const items = this.#waiting;
    this.#waiting = [];
    if (this.#failure) throw this.#failure.error;
    if (items.length === 0) return;
    this.#attempt(() => this.steps.write(items, isSynced));
  }

  #attempt<T>(step: () => T): T {
    if (this.#failure) throw this.#failure.error;
    try {
      return step();
    } catch (error) {
      this.#failure = { error: error as Failure };
      throw error;
    }
  }

  /**
   * A timer that is set is left to fire: setting it anew for each write would cost more than a sync
   * in vain (`deno task bench payments`, row "owner pays").
   */
  #armSync(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      // A failure is kept in `#failure` and rejects the next write, so that a caller hears of it.
      this.sync().catch(() => {});
    }, SYNC_WITHIN_MS);
  }
}

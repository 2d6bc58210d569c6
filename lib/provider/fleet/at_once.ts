/**
 * Work that is asked for again while it is being done: once more then, for all who asked meanwhile,
 * as what they want done may have come too late for the one that is under way.
 */
export class AtOnce {
  #running: Promise<void> = Promise.resolve();
  #next: Promise<void> | null = null;

  constructor(private readonly work: () => Promise<void>) {}

  /** Resolves when it was done from the beginning, after this. */
  do(): Promise<void> {
    this.#next ??= this.#running.catch(() => {}).then(() => {
      this.#next = null;
      return this.#running = this.work();
    });
    return this.#next;
  }
}

/**
 * What may move to another process while it is in use. Who uses it meanwhile waits; what it said
 * last can be had all the time, from where it was at first.
 */
export class Seat<T, Own extends T = T> {
  #next: Promise<T> | null = null;

  /** @param own as it is here */
  constructor(readonly own: Own) {}

  /** Whether it has moved, or is about to. */
  get isMoving(): boolean {
    return this.#next !== null;
  }

  /** Does `work` with it, at once while it is here. */
  use<R>(work: (it: T) => Promise<R>): Promise<R> {
    return this.#next === null ? work(this.own) : this.#next.then(work);
  }

  /** From now on it is what `next` resolves with; where that fails, so does whoever uses it. */
  move(next: Promise<T>): void {
    next.catch(() => {});
    this.#next = next;
  }
}

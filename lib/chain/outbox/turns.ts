/** One piece of work at a time; what is settled goes before what is relayed. */

type Rank = "settlement" | "relay";

export class Turns {
  readonly #waiting: Record<Rank, (() => Promise<void>)[]> = { settlement: [], relay: [] };
  #working: Promise<void> | null = null;

  /** Does `work` when its turn has come. @throws what `work` throws */
  take<T>(rank: Rank, work: () => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#waiting[rank].push(() => work().then(resolve, reject));
    this.#working ??= this.#workOff().finally(() => this.#working = null);
    return promise;
  }

  async #workOff(): Promise<void> {
    const { settlement, relay } = this.#waiting;
    for (let next; (next = settlement.shift() ?? relay.shift());) await next();
  }
}

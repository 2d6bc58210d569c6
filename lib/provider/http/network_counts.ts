/** How many of something each network has. */
export class NetworkCounts {
  readonly #counts = new Map<string, number>();

  /** @param max how many each may have */
  constructor(private readonly max: number) {}

  /**
   * Counts one more of a network; false: it has all that it may.
   * @param network null: it stands for many callers, and has no bound
   */
  add(network: string | null): boolean {
    if (network === null) return true;
    const own = this.#counts.get(network) ?? 0;
    if (own >= this.max) return false;
    this.#counts.set(network, own + 1);
    return true;
  }

  remove(network: string | null): void {
    if (network === null) return;
    const left = this.#counts.get(network)! - 1;
    if (left > 0) this.#counts.set(network, left);
    else this.#counts.delete(network);
  }
}

/** How values are distributed: how many were no larger than each of some bounds, and their sum. */
export class Distribution {
  readonly #counts: number[];
  #count = 0;
  #sum = 0;

  /** @param bounds ascending; what is larger than the last is counted as well */
  constructor(readonly bounds: readonly number[]) {
    this.#counts = bounds.map(() => 0);
  }

  get count(): number {
    return this.#count;
  }

  get sum(): number {
    return this.#sum;
  }

  note(value: number): void {
    this.#count += 1;
    this.#sum += value;
    const { bounds } = this;
    for (let at = 0; at < bounds.length; at++) {
      if (value <= bounds[at]!) return void (this.#counts[at]! += 1);
    }
  }

  /** How many were no larger than each bound. */
  cumulative(): number[] {
    let below = 0;
    return this.#counts.map((count) => below += count);
  }
}

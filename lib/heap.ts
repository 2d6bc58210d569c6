/** A binary heap whose entries can leave it, or move in it, from wherever they are. */

/** An entry knows where it is, in the one heap that it may be in. */
export interface Heaped {
  /** -1 outside. */
  heapAt: number;
}

export class Heap<Entry extends Heaped> {
  readonly #entries: Entry[] = [];

  /** @param isBefore a strict order; what it goes by changes outside of the heap only */
  constructor(private readonly isBefore: (one: Entry, other: Entry) => boolean) {}

  get size(): number {
    return this.#entries.length;
  }

  first(): Entry | null {
    return this.#entries[0] ?? null;
  }

  add(entry: Entry): void {
    this.#entries.push(entry);
    this.#rise(entry, this.#entries.length - 1);
  }

  /** Tells whether it was there. */
  remove(entry: Entry): boolean {
    const at = entry.heapAt;
    if (at < 0) return false;
    entry.heapAt = -1;
    const last = this.#entries.pop()!;
    if (last === entry) return true;
    this.#sink(last, at);
    this.#rise(last, last.heapAt);
    return true;
  }

  #rise(entry: Entry, from: number): void {
    let at = from;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = this.#entries[above]!;
      if (!this.isBefore(entry, parent)) break;
      this.#put(parent, at);
      at = above;
    }
    this.#put(entry, at);
  }

  #sink(entry: Entry, from: number): void {
    let at = from;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= this.#entries.length) break;
      const right = this.#entries[left + 1];
      const isRight = right !== undefined && this.isBefore(right, this.#entries[left]!);
      const below = isRight ? left + 1 : left;
      const child = this.#entries[below]!;
      if (!this.isBefore(child, entry)) break;
      this.#put(child, at);
      at = below;
    }
    this.#put(entry, at);
  }

  #put(entry: Entry, at: number): void {
    this.#entries[at] = entry;
    entry.heapAt = at;
  }
}

/** What a chain in memory has stored, slot by slot, as of any of its blocks. */

/** One place of the state, and what stands there before anybody wrote. */
export interface Slot<T> {
  readonly key: string;
  readonly initial: T;
}

/** What can be looked up. */
export interface Store {
  get<T>(slot: Slot<T>): T;
}

/** Writes on top of a store, which learns of them when they are committed, or never. */
export class Draft implements Store {
  readonly writes = new Map<string, unknown>();
  readonly #below: Store;

  constructor(below: Store) {
    this.#below = below;
  }

  get<T>(slot: Slot<T>): T {
    return this.writes.has(slot.key) ? this.writes.get(slot.key) as T : this.#below.get(slot);
  }

  set<T>(slot: Slot<T>, value: T): void {
    this.writes.set(slot.key, value);
  }

  /** Takes over what another draft on top of this one has written. */
  commit({ writes }: Draft): void {
    for (const [key, value] of writes) this.writes.set(key, value);
  }
}

/** Every value of every slot with the block that wrote it: a block costs what it changes. */
export class Versions {
  readonly #values = new Map<string, { block: number; value: unknown }[]>();

  /** The state after `block`. */
  after(block: number): Store {
    return {
      get: <T>({ key, initial }: Slot<T>) => {
        const written = this.#values.get(key)?.findLast((version) => version.block <= block);
        return written === undefined ? initial : written.value as T;
      },
    };
  }

  /** Block `block` has written this. */
  write(block: number, { writes }: Draft): void {
    for (const [key, value] of writes) {
      const versions = this.#values.get(key);
      if (versions) versions.push({ block, value });
      else this.#values.set(key, [{ block, value }]);
    }
  }

  /** The blocks above `block` never were. */
  cutAbove(block: number): void {
    for (const [key, versions] of this.#values) {
      const kept = versions.filter((version) => version.block <= block);
      if (kept.length < versions.length) this.#values.set(key, kept);
    }
  }
}

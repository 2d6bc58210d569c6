/**
 * A bounded map that forgets what was not used for longest. An entry that is used is moved behind
 * the others at most once in `MOVE_INTERVAL_MS`, so between two entries used within that time of
 * each other either may be the one forgotten. Moving at each use would have the map rebuild its
 * table every few calls, and the garbage collector keeps dead tables for long (`deno task
 * bench sandbox`, row "khachapuri, whole request").
 */

/** How often an entry is moved at most, ms. */
export const MOVE_INTERVAL_MS = 1_000;

interface Slot<Value> {
  value: Value;
  movedAt: number;
}

export class Lru<Key, Value> {
  readonly #slots = new Map<Key, Slot<Value>>();
  #weight = 0;

  /**
   * @param most entries kept, or what they weigh together
   * @param now a clock that does not go back, ms
   * @param weigh what one takes of `most`, which does not change
   */
  constructor(
    private readonly most: number,
    private readonly now: () => number = () => performance.now(),
    private readonly weigh: (value: Value) => number = () => 1,
  ) {}

  /** What is kept weighs so much together. */
  weight(): number {
    return this.#weight;
  }

  /** Counts as a use. */
  get(key: Key): Value | undefined {
    const slot = this.#slots.get(key);
    if (slot && this.now() - slot.movedAt >= MOVE_INTERVAL_MS) this.set(key, slot.value);
    return slot?.value;
  }

  /** As `get`; where nothing is there, what `make` makes is from now on. */
  getOrInsertComputed(key: Key, make: () => Value): Value {
    const known = this.get(key);
    if (known !== undefined) return known;
    const made = make();
    this.set(key, made);
    return made;
  }

  /** Forgets those that were not used for longest where there is no room. */
  set(key: Key, value: Value): void {
    this.delete(key);
    this.#weight += this.weigh(value);
    while (this.#weight > this.most && this.#slots.size > 0) {
      this.delete(this.#slots.keys().next().value!);
    }
    this.#slots.set(key, { value, movedAt: this.now() });
  }

  delete(key: Key): void {
    const slot = this.#slots.get(key);
    if (slot === undefined) return;
    this.#weight -= this.weigh(slot.value);
    this.#slots.delete(key);
  }

  keys(): MapIterator<Key> {
    return this.#slots.keys();
  }

  /** What is there, which is no use of it. */
  peek(key: Key): Value | undefined {
    return this.#slots.get(key)?.value;
  }
}

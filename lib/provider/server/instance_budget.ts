/**
 * How many instances this machine runs at a time, of all deployments together. Who finds it full
 * gets the place of the instance that nobody has needed for longest, if there is one.
 */

/** Of the places so many are kept for deployments that have none yet: one part of this many. */
const KEPT_PART = 4;

/** An instance, as far as its place goes. */
export interface Occupant {
  /** Since when nobody has needed it, on one clock for all; null: it is needed, or ends already. */
  idleSince(): number | null;
  /** Others need its place: it ends. */
  evict(): void;
}

export interface Place {
  /** All of its instance is gone; calling it again does nothing. */
  leave(): void;
}

export class InstanceBudget {
  readonly #occupants = new Set<Occupant>();
  /** Called in turn when a place is free again. */
  readonly #waiting = new Set<() => void>();
  /** Instances that were told to go and have not gone yet. */
  readonly #leaving = new Set<Occupant>();

  /** @param max instances at a time */
  constructor(private readonly max: number) {}

  /** Instances that have a place. */
  taken(): number {
    return this.#occupants.size;
  }

  /**
   * A place for one more instance; null while there is none. Where one that is idle would make
   * room, the longest idle is told to go.
   * @param isFirst whether its deployment has no other: the last places are kept for those
   * @param onRoom called once, when asking again makes sense; the same function waits only once
   */
  take(occupant: Occupant, isFirst: boolean, onRoom: () => void): Place | null {
    const room = isFirst ? this.max : this.max - Math.floor(this.max / KEPT_PART);
    if (this.#occupants.size >= room) {
      this.#waiting.add(onRoom);
      if (this.#occupants.size <= room) this.#evictOne();
      return null;
    }
    this.#waiting.delete(onRoom);
    this.#occupants.add(occupant);
    return { leave: () => this.#leave(occupant) };
  }

  /** Who waited for room needs none any more. */
  forget(onRoom: () => void): void {
    this.#waiting.delete(onRoom);
  }

  /** One goes for each that waits: what is ending already makes room for the first of them. */
  #evictOne(): void {
    if (this.#leaving.size >= this.#waiting.size) return;
    const longest = this.#longestIdle();
    if (!longest) return;
    this.#leaving.add(longest);
    longest.evict();
  }

  #longestIdle(): Occupant | null {
    let longest: Occupant | null = null;
    let since = Infinity;
    for (const occupant of this.#occupants) {
      const idleSince = this.#leaving.has(occupant) ? null : occupant.idleSince();
      if (idleSince === null || idleSince >= since) continue;
      longest = occupant;
      since = idleSince;
    }
    return longest;
  }

  #leave(occupant: Occupant): void {
    if (!this.#occupants.delete(occupant)) return;
    this.#leaving.delete(occupant);
    // All are asked, as the first of them may need none any more, or may not have this one.
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const onRoom of waiting) onRoom();
  }
}

/**
 * The lanes of a payer by the block of their last settlement, so that those that are settled above
 * a block are found without a look at the others.
 */

interface Settled {
  readonly settledBlock: bigint;
}

interface Note<Lane> {
  readonly lane: Lane;
  readonly block: bigint;
}

/** Notes that may be out of date before they are swept out, beside as many as are not. */
const STALE_KEPT = 16;

export class SettledLately<Lane extends Settled> {
  /** By block, the highest last. A lane that settled again has a newer note. */
  #notes: Note<Lane>[] = [];
  readonly #lanes = new Set<Lane>();

  /** The lane's counter is that of its `settledBlock`. */
  note(lane: Lane): void {
    const { settledBlock: block } = lane;
    const notes = this.#notes;
    let at = notes.length;
    while (at > 0 && notes[at - 1]!.block > block) at -= 1;
    if (notes[at - 1]?.lane === lane && notes[at - 1]!.block === block) return;
    notes.splice(at, 0, { lane, block });
    this.#lanes.add(lane);
    if (notes.length > 2 * this.#lanes.size + STALE_KEPT) this.#sweep();
  }

  /** How many notes are kept. */
  get notes(): number {
    return this.#notes.length;
  }

  /** Those whose counter is of a block above `block`. */
  above(block: bigint): Set<Lane> {
    const found = new Set<Lane>();
    for (let at = this.#notes.length - 1; at >= 0; at--) {
      const note = this.#notes[at]!;
      if (note.block <= block) break;
      if (note.lane.settledBlock === note.block) found.add(note.lane);
    }
    return found;
  }

  /** Nobody asks for these any more. */
  forget(lanes: ReadonlySet<Lane>): void {
    this.#notes = this.#notes.filter(({ lane }) => !lanes.has(lane));
    for (const lane of lanes) this.#lanes.delete(lane);
  }

  #sweep(): void {
    const seen = new Set<Lane>();
    this.#notes = this.#notes.filter(({ lane, block }) => {
      const isCurrent = lane.settledBlock === block && !seen.has(lane);
      if (isCurrent) seen.add(lane);
      return isCurrent;
    });
  }
}

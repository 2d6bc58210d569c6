/**
 * What happened to payers in the last blocks: a view that was read of one of them is brought up to
 * date by it, and what lies above the trusted block waits here.
 */
import type { Address } from "viem";
import type { PayerEvent } from "./payer_events.ts";

/** A read is answered within so many blocks, or it is read again. */
const BLOCKS_KEPT = 64n;
/** Between two times that old events are forgotten, blocks. */
const PRUNE_BLOCKS = 16n;

export class RecentEvents {
  readonly #events = new Map<Address, PayerEvent[]>();
  /** All events above this block are here; null before anything is followed. */
  #floor: bigint | null = null;
  #trusted = 0n;

  /** From here on events are told. */
  beginAt(block: bigint): void {
    this.#floor ??= block;
  }

  /** @returns the payers whose views change: by what is new, or by what is trusted only now */
  add(
    events: readonly PayerEvent[],
    { head, trusted }: { head: bigint; trusted: bigint },
  ): ReadonlySet<Address> {
    const touched = new Set<Address>();
    for (const event of events) {
      const ofPayer = this.#events.get(event.payer) ?? [];
      ofPayer.push(event);
      this.#events.set(event.payer, ofPayer);
      touched.add(event.payer);
    }
    if (trusted < head) {
      for (const [payer, ofPayer] of this.#events) {
        const isRipe = ({ block }: PayerEvent) => block > this.#trusted && block <= trusted;
        if (ofPayer.some(isRipe)) touched.add(payer);
      }
    }
    this.#trusted = trusted;
    this.#prune(head);
    return touched;
  }

  /** What happened to a payer above a block, oldest first. */
  of(payer: Address, above: bigint): PayerEvent[] {
    return (this.#events.get(payer) ?? []).filter(({ block }) => block > above);
  }

  /** Whether all that happened since a block is here. */
  reaches(block: bigint): boolean {
    return this.#floor === null || block >= this.#floor;
  }

  /** Blocks above `block` are not what they were. @returns the payers whose events were there */
  undo(block: bigint): ReadonlySet<Address> {
    const touched = new Set<Address>();
    if (this.#floor !== null && this.#floor > block) this.#floor = block;
    if (this.#trusted > block) this.#trusted = block;
    for (const payer of [...this.#events.keys()]) {
      const gone = this.of(payer, block);
      if (gone.length === 0) continue;
      touched.add(payer);
      this.#keep(payer, (event) => event.block <= block);
    }
    return touched;
  }

  #prune(head: bigint): void {
    const oldest = head - BLOCKS_KEPT < this.#trusted ? head - BLOCKS_KEPT : this.#trusted;
    if (this.#floor === null || oldest < this.#floor + PRUNE_BLOCKS) return;
    this.#floor = oldest;
    for (const payer of [...this.#events.keys()]) this.#keep(payer, ({ block }) => block > oldest);
  }

  #keep(payer: Address, isKept: (event: PayerEvent) => boolean): void {
    const kept = this.#events.get(payer)!.filter(isKept);
    if (kept.length > 0) this.#events.set(payer, kept);
    else this.#events.delete(payer);
  }
}

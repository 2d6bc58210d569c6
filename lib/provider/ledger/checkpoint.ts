/**
 * Checkpoints of the book. One takes every lane that an entry has changed since the one before, and
 * keeps it as it is when its turn comes: in slices, between which calls go on. When all are kept no
 * start needs the rows any more that were there as it began. Whatever ends it in the middle, the
 * mark stays where it was, and a start passes over what a lane counts already.
 *
 * Lanes that are level with the escrow, by a settlement that no reorganisation can reach, and that
 * nobody has touched from one checkpoint to the next, are parked: kept with the others, and let go
 * of here.
 */
import type { Address } from "viem";
import { breathe } from "../../slices.ts";
import { type Book, isHere, letGo } from "./book.ts";
import { isLevel, type Lane } from "./lane.ts";
import type { LaneTable, Mark } from "./lane_table.ts";

export interface CheckpointParts {
  readonly book: Book;
  readonly lanes: Pick<LaneTable, "keep">;
  /**
   * Does `work` after all that was written, and all of its writes or none.
   * @param work is given the number of the last row
   */
  inTransaction(work: (newest: number) => void): void;
  /** No start needs what is up to it any more. */
  moveMark(mark: Mark): void;
  /** Whatever a block up to this one told stays as it is; below zero: none is so old. */
  finalBlock(): bigint;
  /** Lets calls go on between two slices. */
  pause?: () => Promise<void>;
  /** Lanes of a slice at most: calls wait for it to be written. */
  sliceLanes?: number;
  /** Called when the mark has moved. */
  onMoved(low: number): void;
}

/** Entries after which one begins: a start reads no more than these, and what comes during one. */
const ENTRIES = 20_000;
/** Or after so long, ms. */
const EVERY_MS = 60_000;
const SLICE_LANES = 128;
/** A slice that takes longer ends with the lane at hand, ms. */
const SLICE_MS = 3;

export class Checkpoints {
  /** That none has begun for. */
  #entries = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #running: Promise<void> | null = null;
  #isClosed = false;
  #isGivenUp = false;

  constructor(private readonly parts: CheckpointParts) {}

  /** So many entries have come. */
  noteEntries(count: number): void {
    this.#entries += count;
    // Where the disk does not take one, what calls write next fails, and says so.
    if (this.#entries >= ENTRIES) this.run().catch(() => {});
    else this.#arm();
  }

  /**
   * Makes one now, or waits for the one that is being made.
   * @throws Error when the disk does not take it: the next one takes its lanes as well
   */
  run(): Promise<void> {
    return this.#running ??= this.#run().finally(() => {
      this.#running = null;
      this.#arm();
    });
  }

  /** Makes a last one, so that a start replays nothing. */
  async close(): Promise<void> {
    this.#end();
    await this.#running?.catch(() => {});
    await this.run().catch(() => {});
  }

  /** What is under way is given up: whoever goes on with the ledger makes the next one. */
  async giveUp(): Promise<void> {
    this.#end();
    this.#isGivenUp = true;
    await this.#running?.catch(() => {});
  }

  #end(): void {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #arm(): void {
    if (this.#isClosed || this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      const { touched, idle } = this.parts.book;
      if (touched.size > 0 || idle.size > 0) this.run().catch(() => {});
    }, EVERY_MS);
    Deno.unrefTimer(this.#timer);
  }

  async #run(): Promise<void> {
    const { book, moveMark, onMoved } = this.parts;
    const mark = this.#markNow();
    const { touched, idle } = book;
    this.#entries = 0;
    [book.touched, book.idle] = [new Set(), new Set()];
    try {
      await this.#keep([...touched], false);
      await this.#keep([...idle].filter((lane) => !touched.has(lane)), true);
      moveMark(mark);
    } catch (error) {
      for (const lane of touched) book.touched.add(lane);
      for (const lane of idle) if (isHere(book, lane)) book.idle.add(lane);
      throw error;
    }
    onMoved(mark.low);
  }

  #markNow(): Mark {
    let low = 0;
    this.parts.inTransaction((newest) => low = newest);
    return { low, nextReservation: this.parts.book.nextReservation };
  }

  /** Keeps the lanes, each as it is when its slice is written. */
  async #keep(all: readonly Lane[], isParking: boolean): Promise<void> {
    const { pause = breathe } = this.parts;
    for (let from = 0; from < all.length;) {
      if (this.#isGivenUp) throw new Error("the checkpoint was given up");
      const slice = this.#keepSlice(all, from, isParking);
      if (isParking) letGo(this.parts.book, slice.kept, slice.parked);
      else this.#tidy(slice);
      from = slice.end;
      await pause();
    }
  }

  #keepSlice(all: readonly Lane[], from: number, isParking: boolean): Slice {
    const { book, lanes, sliceLanes = SLICE_LANES } = this.parts;
    const slice: Slice = { kept: [], parked: new Map(), end: from };
    const last = Math.min(from + sliceLanes, all.length);
    const until = performance.now() + SLICE_MS;
    this.parts.inTransaction((seq) => {
      while (slice.end < last && (slice.end === from || performance.now() < until)) {
        const lane = all[slice.end++]!;
        if (isParking && !this.#mayGo(lane)) continue;
        const count = lanes.keep(lane, book.reservations, { seq, isParked: isParking });
        if (count !== null) slice.parked.set(lane.payer, count);
        slice.kept.push(lane);
      }
    });
    return slice;
  }

  #tidy({ kept, parked }: Slice): void {
    const { book } = this.parts;
    letGo(book, [], parked);
    for (const lane of kept) {
      book.touched.delete(lane);
      if (isLevel(lane)) book.idle.add(lane);
    }
  }

  /** Whether nothing that is here needs the lane. */
  #mayGo(lane: Lane): boolean {
    const { book, finalBlock } = this.parts;
    // Whoever was touched meanwhile is kept by the next one.
    if (!isLevel(lane) || book.touched.has(lane)) return false;
    if (lane.settledBlock <= finalBlock()) return true;
    book.idle.add(lane);
    return false;
  }
}

/** What was written together. */
interface Slice {
  readonly kept: Lane[];
  /** How many lanes a payer has parked since. */
  readonly parked: Map<Address, number>;
  /** Where the next one begins. */
  end: number;
}

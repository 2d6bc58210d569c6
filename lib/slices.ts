/** Long work in slices: between two the event loop turns, so calls go on. */
import { setImmediate } from "node:timers";

/** Items of a slice at most. */
export const SLICE_ITEMS = 512;
/** A slice that takes longer ends with the item at hand, ms. */
const SLICE_MS = 4;

/** Works on the items in their order. */
export async function inSlices<Item>(
  items: readonly Item[],
  work: (item: Item, index: number) => unknown,
): Promise<void> {
  let until = performance.now() + SLICE_MS;
  for (const [index, item] of items.entries()) {
    const isOver = index % SLICE_ITEMS === 0 || performance.now() > until;
    if (index > 0 && isOver) {
      await breathe();
      until = performance.now() + SLICE_MS;
    }
    const working = work(item, index);
    if (working instanceof Promise) await working;
  }
}

/** Pieces of work of some milliseconds each: one in a turn, in the order in which they come. */
export class OneATurn {
  #last: Promise<void> = Promise.resolve();

  do<Result>(work: () => Result | Promise<Result>): Promise<Result> {
    const done = this.#last.then(work);
    this.#last = done.then(breathe, breathe);
    return done;
  }
}

/** Lets whatever is ready go first. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

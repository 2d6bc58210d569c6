/** Long work in slices: between two the event loop turns, so calls go on. */
import { setImmediate } from "node:timers";

/** Items of a slice at most. */
export const SLICE_ITEMS = 512;
/** A slice that takes longer ends with the item at hand, ms. */
const SLICE_MS = 4;

/** Works on the items in their order. */
export async function inSlices<Item>(
  items: readonly Item[],
  work: (item: Item, index: number) => void,
): Promise<void> {
  let until = performance.now() + SLICE_MS;
  for (const [index, item] of items.entries()) {
    const isOver = index % SLICE_ITEMS === 0 || performance.now() > until;
    if (index > 0 && isOver) {
      await breathe();
      until = performance.now() + SLICE_MS;
    }
    work(item, index);
  }
}

/** Lets whatever is ready go first. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

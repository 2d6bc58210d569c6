/** Long work on the books in slices: between two the event loop turns, so calls go on. */
import { setImmediate } from "node:timers";

/** Items of a slice: well below 5 ms of work on the slowest machine that serves. */
export const SLICE_ITEMS = 512;

/** Works on the items in their order. */
export async function inSlices<Item>(
  items: readonly Item[],
  work: (item: Item) => void,
): Promise<void> {
  for (let from = 0; from < items.length; from += SLICE_ITEMS) {
    if (from > 0) await new Promise<void>((resolve) => setImmediate(resolve));
    for (const item of items.slice(from, from + SLICE_ITEMS)) work(item);
  }
}

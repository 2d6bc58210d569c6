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

/** Turns of the event loop between two slices that can wait: a call takes about as many. */
const TURNS = 8;

let last = Promise.resolve();

/**
 * Lets calls go first, between two slices of work that can wait: of all such work in this process,
 * however much there is, one slice is done at a time. Where nothing else is to be done that costs a
 * tenth of a millisecond (`deno task bench attacks`, "openings").
 */
export function giveWay(): Promise<void> {
  last = last.then(async () => {
    for (let turn = 0; turn < TURNS; turn++) await breathe();
  });
  return last;
}

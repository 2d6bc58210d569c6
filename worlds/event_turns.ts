/** How often others get to do something while work goes on that waits for nothing. */
import { breathe } from "../lib/slices.ts";

/** Turns of the event loop from the beginning of some work to its end. */
export async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let [turns, isOver] = [0, false];
  const working = work().finally(() => isOver = true);
  for (; !isOver; turns++) await breathe();
  await working;
  return turns;
}

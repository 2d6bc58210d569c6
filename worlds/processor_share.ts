/** How much of one processor this process uses, on whatever thread, while something is done. */
import process from "node:process";
import { noteCall } from "../lib/leisure.ts";

/** Beside other work a measurement may be off; three in a row are not. */
const TRIES = 3;

/** Calls come, for which work that can wait leaves time. */
const CALLS_MS = 50;

/**
 * As it is where calls come meanwhile.
 * @param work does it once more
 * @returns of some tries the least; 1 for one processor that is always busy
 */
export async function processorShare(work: (attempt: number) => Promise<unknown>): Promise<number> {
  let least = Infinity;
  noteCall();
  using calls = new DisposableStack();
  calls.adopt(setInterval(noteCall, CALLS_MS), clearInterval);
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const [from, before] = [performance.now(), process.cpuUsage()];
    await work(attempt);
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1_000 / (performance.now() - from));
  }
  return least;
}

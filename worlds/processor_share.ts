/** How much of one processor this process uses, on whatever thread, while something is done. */
import process from "node:process";

/** @returns 1 for one processor that is always busy */
export async function processorShare(work: () => Promise<unknown>): Promise<number> {
  const [from, before] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000 / (performance.now() - from);
}

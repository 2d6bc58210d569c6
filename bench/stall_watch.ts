/**
 * How long the event loop is kept from all else. A machine that others share stops whole processes:
 * a gap counts for no more than the processor time that this process took in it.
 */
import process from "node:process";
import { quantile } from "./report.ts";

export interface Slices {
  /** ms. */
  p50: number;
  p99: number;
  longest: number;
  count: number;
}

/** Watches the loop while `work` runs. @returns what `work` gave, and the loop's turns */
export async function watchStalls<T>(
  work: () => Promise<T>,
): Promise<{ value: T; slices: Slices }> {
  const slices: number[] = [];
  let isOver = false;
  const watching = (async () => {
    let [at, cpu] = [performance.now(), process.cpuUsage()];
    while (!isOver) {
      await new Promise((resolve) => setImmediate(resolve));
      const { user, system } = process.cpuUsage(cpu);
      slices.push(Math.min(performance.now() - at, (user + system) / 1_000));
      [at, cpu] = [performance.now(), process.cpuUsage()];
    }
  })();
  const value = await work().finally(() => isOver = true);
  await watching;
  return { value, slices: summary(slices) };
}

/** A turn in which nothing was done says nothing. */
const IDLE_MS = 0.1;

function summary(slices: readonly number[]): Slices {
  const busy = slices.filter((ms) => ms > IDLE_MS);
  if (busy.length === 0) return { p50: 0, p99: 0, longest: 0, count: 0 };
  return {
    p50: quantile(busy, 0.5),
    p99: quantile(busy, 0.99),
    longest: Math.max(...busy),
    count: busy.length,
  };
}

/**
 * How long the event loop is kept from all else. A machine that others share stops whole processes:
 * a turn counts for no more than the processor time that this process took in it, which V8's other
 * threads add to. The turns in which V8 collected old garbage are told apart as far as that shows:
 * how long they take follows from how much is alive, not from who works. What leads up to them does
 * not show, so what all turns but one in a thousand keep to says more than the longest.
 */
import process from "node:process";
import { quantile } from "./report.ts";

export interface Slices {
  /** ms. */
  p50: number;
  p99: number;
  longest: number;
  /** What all but one in a thousand turns took no longer than. */
  p999: number;
  /** The longest one in which old garbage was collected, ms; 0: none was. */
  collector: number;
  count: number;
}

/** A turn in which nothing was done says nothing. */
const IDLE_MS = 0.1;
/** Only turns that took longer are looked at for garbage; looking takes time, too. */
const LONG_MS = 2;
/** What the heap shrinks by at least when old garbage is collected, bytes. */
const COLLECTED_BYTES = 32 * 1024 * 1024;

/** Watches the loop while `work` runs. @returns what `work` gave, and the loop's turns */
export async function watchStalls<T>(
  work: () => Promise<T>,
): Promise<{ value: T; slices: Slices }> {
  const busy: number[] = [];
  let [collector, heap, isOver] = [0, Deno.memoryUsage().heapUsed, false];
  const watching = (async () => {
    while (!isOver) {
      const ms = await turn();
      if (ms < IDLE_MS) continue;
      const isCollected = ms > LONG_MS &&
        heap - (heap = Deno.memoryUsage().heapUsed) > COLLECTED_BYTES;
      if (isCollected) collector = Math.max(collector, ms);
      else busy.push(ms);
    }
  })();
  const value = await work().finally(() => isOver = true);
  await watching;
  return { value, slices: { ...summary(busy), collector } };
}

async function turn(): Promise<number> {
  const [at, cpu] = [performance.now(), process.cpuUsage()];
  await new Promise((resolve) => setImmediate(resolve));
  const { user, system } = process.cpuUsage(cpu);
  return Math.min(performance.now() - at, (user + system) / 1_000);
}

function summary(busy: readonly number[]) {
  if (busy.length === 0) return { p50: 0, p99: 0, p999: 0, longest: 0, count: 0 };
  return {
    p50: quantile(busy, 0.5),
    p99: quantile(busy, 0.99),
    p999: quantile(busy, 0.999),
    longest: busy.reduce((most, ms) => Math.max(most, ms), 0),
    count: busy.length,
  };
}

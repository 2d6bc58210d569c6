/** Calls on several servers in short turns, so that noise meets all alike, and how they compare. */
import { quantile } from "./report.ts";

const ROUNDS = 12;
/** Of each round and target. */
const ROUND_MS = 400;

export interface Target {
  readonly name: string;
  once(): Promise<void>;
}

export interface Measured {
  /** ms of each request. */
  readonly latencies: number[];
  /** Requests a second, of each round. */
  readonly rates: number[];
}

export type AllMeasured = ReadonlyMap<string, Measured>;

/** What nothing is paid for at. */
export const PAYMENT_OFF = "payment off";

/** So many callers of one target after the other. */
export async function measure(
  targets: readonly Target[],
  concurrency: number,
): Promise<AllMeasured> {
  const results = new Map(targets.map(({ name }): [string, Measured] => [
    name,
    { latencies: [], rates: [] },
  ]));
  for (let round = -1; round < ROUNDS; round++) {
    for (const target of targets) {
      const { latencies, rate } = await load(target, concurrency, ROUND_MS);
      if (round < 0) continue;
      const result = results.get(target.name)!;
      result.latencies.push(...latencies);
      result.rates.push(rate);
    }
  }
  return results;
}

/** So many callers of one target for so long. */
export async function load({ once }: Target, concurrency: number, ms: number) {
  const latencies: number[] = [];
  const started = performance.now();
  async function loop(): Promise<void> {
    while (performance.now() - started < ms) {
      const sent = performance.now();
      await once();
      latencies.push(performance.now() - sent);
    }
  }
  await Promise.all(Array.from({ length: concurrency }, loop));
  return { latencies, rate: latencies.length / (performance.now() - started) * 1_000 };
}

/** Has the program that says hello do so. */
export function caller(name: string, url: string, headers: Record<string, string> = {}): Target {
  return {
    name,
    async once() {
      const response = await fetch(url, { headers });
      const text = await response.text();
      if (text !== "hello\n") throw new Error(`${response.status}: ${text}`);
    },
  };
}

export function p50(results: AllMeasured, name: string): number {
  return quantile(results.get(name)!.latencies, 0.5);
}

/** By how much it is slower than where nothing is paid. */
export function addedMs(results: AllMeasured, name: string): number {
  return p50(results, name) - p50(results, PAYMENT_OFF);
}

/** Its rate by another's of the same round, in the middle. */
export function rateRatio(results: AllMeasured, name: string, by = PAYMENT_OFF): number {
  const others = results.get(by)!.rates;
  return quantile(results.get(name)!.rates.map((rate, round) => rate / others[round]!), 0.5);
}

/** Traces of what is asked for, and how often a cache has it: to compare policies of eviction. */
import assert from "node:assert/strict";
import { Eviction } from "../lib/provider/program/eviction.ts";
import { randomOf } from "./random.ts";

/** Keys in the order in which they are asked for. */
export type Trace = readonly number[];

/** Every key in its turn, over and over. */
export function cycle(keys: number, length: number): Trace {
  return Array.from({ length }, (_, at) => at % keys);
}

/** Keys by Zipf's law: the k-th is asked for in proportion to `1 / k ** exponent`. */
export function zipf(keys: number, exponent: number, length: number, seed: number): Trace {
  const random = randomOf(seed);
  const sums: number[] = [];
  let sum = 0;
  for (let key = 1; key <= keys; key++) sums.push(sum += 1 / key ** exponent);
  const draw = () => {
    const wanted = random.next() * sum;
    let [low, high] = [0, keys - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return Array.from({ length }, draw);
}

/** A quarter of every `period` asks for keys that nobody asked for before, once each. */
export function withScans(trace: Trace, period: number): Trace {
  let scanned = 0;
  return trace.map((key, at) => at % period < period / 4 ? -1 - scanned++ : key);
}

/** Other keys than before after every `period`. */
export function shifting(trace: Trace, period: number): Trace {
  return trace.map((key, at) => key + Math.floor(at / period) * 1_000_000);
}

/** Every other key of one trace, between them another's. */
export function mixed(one: Trace, other: Trace): Trace {
  return one.map((key, at) => at % 2 === 0 ? key : -1 - other[at]!);
}

/** A cache: asks for a key, and says whether it was there. */
export type Cache = (key: number) => boolean;

export function hitRatio(cache: Cache, trace: Trace): number {
  return trace.filter((key) => cache(key)).length / trace.length;
}

/** Gives up what was not used for longest. */
export function lru(most: number): Cache {
  const kept = new Set<number>();
  return (key) => {
    const had = kept.delete(key);
    if (!had && kept.size >= most) kept.delete(kept.values().next().value!);
    kept.add(key);
    return had;
  };
}

/** Gives up what a provider's policy says; nothing is in use between two asks. */
export function evicting(most: number): Cache {
  const eviction = new Eviction<number>(most);
  const kept = new Set<number>();
  return (key) => {
    const had = kept.has(key);
    if (!had && kept.size >= most) {
      const victim = eviction.victim()!;
      assert.ok(kept.delete(victim));
      eviction.leave(victim);
    }
    kept.add(key);
    eviction.use(key);
    eviction.rest(key);
    return had;
  };
}

/** What no policy betters: gives up what will be asked for last (Belady, 1966). */
export function bestRatio(trace: Trace, most: number): number {
  const next = new Map<number, number>();
  const after = trace.map(() => Infinity);
  for (let at = trace.length - 1; at >= 0; at--) {
    after[at] = next.get(trace[at]!) ?? Infinity;
    next.set(trace[at]!, at);
  }
  const kept = new Map<number, number>();
  let hits = 0;
  trace.forEach((key, at) => {
    if (kept.has(key)) hits += 1;
    else if (kept.size >= most) {
      let [last, lastAt] = [0, -1];
      for (const [one, usedAt] of kept) if (usedAt > lastAt) [last, lastAt] = [one, usedAt];
      kept.delete(last);
    }
    kept.set(key, after[at]!);
  });
  return hits / trace.length;
}

/** What deployments that are called may look like to `most` places, by name. */
export function usualTraces(most: number, length: number): Record<string, Trace> {
  const cycles = [1, 1.004, 1.05, 1.25, 1.5, 2, 3, 4].map((times) =>
    [`cycle × ${times}`, cycle(Math.ceil(most * times), length)] as const
  );
  const skewed = [0.7, 0.9, 1, 1.1].map((exponent) =>
    [`zipf ${exponent}`, zipf(8 * most, exponent, length, 7)] as const
  );
  const scanned = [0.7, 0.9, 1.1].map((exponent) =>
    [
      `zipf ${exponent} + scans`,
      withScans(zipf(8 * most, exponent, length, 9), 16 * most),
    ] as const
  );
  const set = zipf(2 * most, 0.9, length, 3);
  return Object.fromEntries([
    ...cycles,
    ...skewed,
    ...scanned,
    ["zipf 0.9 and cycle × 2", mixed(zipf(8 * most, 0.9, length, 5), cycle(2 * most, length))],
    ["shifting each 4 × most", shifting(set, 4 * most)],
    ["shifting each 20 × most", shifting(set, 20 * most)],
    ["shifting each 60 × most", shifting(set, 60 * most)],
  ]);
}

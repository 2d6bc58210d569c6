/**
 * How often a deployment that is called has its sandbox still open, by what is closed to make room
 * for others, on traces of calls. Prints the share of calls for each policy and for the best that
 * one could do that knew all calls to come.
 */
import { bestRatio, type Cache, evicting, hitRatio, lru, usualTraces } from "../worlds/eviction.ts";
import { atLeast, printReport, type Row } from "./report.ts";

const MOST = 256;
const LENGTH = 30_000;

function firstOf<Value>(values: Iterable<Value>): Value {
  for (const value of values) return value;
  throw new Error("empty");
}

/** Takes the one that has been there for longest. */
function shift(from: Set<number>): number {
  const first = firstOf(from);
  from.delete(first);
  return first;
}

/** Megiddo and Modha, "ARC: a self-tuning, low overhead replacement cache", FAST 2003. */
function arc(most: number): Cache {
  const [once, often, onceGone, oftenGone] = Array.from({ length: 4 }, () => new Set<number>()) as [
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
  ];
  let wanted = 0;
  const replace = (wasOften: boolean) => {
    const fromOnce = once.size > 0 &&
      (once.size > wanted || wasOften && once.size === wanted || often.size === 0);
    if (fromOnce) onceGone.add(shift(once));
    else oftenGone.add(shift(often));
  };
  return (key) => {
    if (once.delete(key) || often.delete(key)) {
      often.add(key);
      return true;
    }
    if (onceGone.has(key) || oftenGone.has(key)) {
      const wasOften = oftenGone.has(key);
      const [mine, other] = wasOften ? [oftenGone, onceGone] : [onceGone, oftenGone];
      const step = Math.max(1, other.size / mine.size);
      wanted = wasOften ? Math.max(0, wanted - step) : Math.min(most, wanted + step);
      replace(wasOften);
      mine.delete(key);
      often.add(key);
      return false;
    }
    if (once.size + onceGone.size === most) {
      if (once.size < most) {
        shift(onceGone);
        replace(false);
      } else {
        shift(once);
      }
    } else if (once.size + often.size >= most) {
      if (once.size + often.size + onceGone.size + oftenGone.size >= 2 * most) shift(oftenGone);
      replace(false);
    }
    once.add(key);
    return false;
  };
}

/** Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023. */
function s3Fifo(most: number): Cache {
  const small = new Map<number, number>();
  const main = new Map<number, number>();
  const gone = new Set<number>();
  const smallMost = Math.max(1, Math.round(most / 10));
  const evictMain = () => {
    while (main.size > 0) {
      const [key, uses] = firstOf(main);
      main.delete(key);
      if (uses === 0) return;
      main.set(key, uses - 1);
    }
  };
  const evict = () => {
    while (small.size > 0 && (small.size >= smallMost || main.size === 0)) {
      const [key, uses] = firstOf(small);
      small.delete(key);
      if (uses <= 1) {
        gone.add(key);
        if (gone.size > most - smallMost) shift(gone);
        return;
      }
      main.set(key, 0);
    }
    evictMain();
  };
  return (key) => {
    for (const queue of [small, main]) {
      const uses = queue.get(key);
      if (uses === undefined) continue;
      queue.set(key, Math.min(3, uses + 1));
      return true;
    }
    while (small.size + main.size >= most) evict();
    (gone.delete(key) ? main : small).set(key, 0);
    return false;
  };
}

const POLICIES = { "longest unused": lru, "S3-FIFO": s3Fifo, ARC: arc, ours: evicting };

const rows: Row[] = [];
const shares = new Map<string, number[]>();
for (const [calls, trace] of Object.entries(usualTraces(MOST, LENGTH))) {
  const best = bestRatio(trace, MOST);
  const row: Row = { calls, best };
  for (const [name, make] of Object.entries(POLICIES)) {
    const ratio = row[name] = hitRatio(make(MOST), trace);
    shares.set(name, [...shares.get(name) ?? [], ratio / best]);
  }
  rows.push(row);
}
const worst = Object.fromEntries(
  [...shares].map(([name, of]) => [name, Math.min(...of)] as const),
);
rows.push({ calls: "worst share of the best", best: 1, ...worst });
printReport({ rows, must: [atLeast("worst share of the best", worst.ours!, "", 0.5)] });

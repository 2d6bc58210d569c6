/** Randomness that a run can repeat: the seed is printed, and `KHACHAPURI_SEED` sets it. */

export interface Random {
  readonly seed: number;
  /** Evenly from 0 to 1, 1 excluded. */
  next(): number;
  /** A whole number from `from` to `to`, both included. */
  between(from: number, to: number): number;
  /** True this often. */
  chance(share: number): boolean;
  pick<T>(items: readonly T[]): T;
}

/** A generator seeded from the environment, or anew; says which under `name`. */
export function seededRandom(name: string): Random {
  const set = Deno.env.get("KHACHAPURI_SEED");
  const seed = set === undefined ? crypto.getRandomValues(new Uint32Array(1))[0]! : Number(set);
  Deno.stderr.writeSync(new TextEncoder().encode(`${name}: KHACHAPURI_SEED=${seed}\n`));
  return randomOf(seed);
}

/** The same numbers for the same seed (mulberry32). */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
  return {
    seed,
    next,
    between: (from, to) => from + Math.floor(next() * (to - from + 1)),
    chance: (share) => next() < share,
    pick: (items) => items[Math.floor(next() * items.length)]!,
  };
}

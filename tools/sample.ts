/** Which mutants a run takes, and in which order. */
import type { Mutant } from "./mutant.ts";

/**
 * The order of a seed: those with a name first, then the others by lot. A change elsewhere in the
 * sources moves none of them.
 */
export function shuffled(mutants: readonly Mutant[], seed: number): Mutant[] {
  const lots = new Map(mutants.map((mutant) => [mutant, lotOf(mutant, seed)]));
  return mutants.toSorted((a, b) =>
    Number(a.name === undefined) - Number(b.name === undefined) || lots.get(a)! - lots.get(b)!
  );
}

/** 32 bits of FNV-1a over what names the mutant. */
function lotOf({ file, within, line, becomes, occurrence }: Mutant, seed: number): number {
  let hash = 0x811c9dc5;
  for (const char of JSON.stringify([seed, file, within, line, becomes, occurrence])) {
    hash = Math.imul(hash ^ char.codePointAt(0)!, 0x01000193);
  }
  // The last characters alone would leave the high bits as they are.
  return Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0;
}

/** Another one each day (UTC), so that in time every mutant has its turn. */
export function seedOfDay(now: Date): number {
  return Math.floor(now.getTime() / 86_400_000);
}

/** Runs mutants of a target, each worker in a copy of its own. */
import type { Mutant } from "./mutant.ts";
import { entryOf, isExcused, type Result, type Target } from "./mutation.ts";
import { print } from "./print.ts";

/** Each works in a copy of its own: compiling takes one core. */
const WORKERS_MAX = 4;
const PROGRESS_EVERY = 25;

/**
 * Tests `mutants` in their order.
 * @param untilMs begins none after that (performance.now())
 * @param signal stops at once; then it rejects, with every copy removed
 */
export async function run(
  target: Target,
  mutants: readonly Mutant[],
  untilMs: number,
  signal: AbortSignal = new AbortController().signal,
): Promise<Result[]> {
  const queue = [...mutants];
  const results: Result[] = [];
  const startMs = performance.now();
  const survivors = await target.survivors();
  const work = async () => {
    await using workspace = await target.workspace();
    for (let mutant = queue.shift(); mutant; mutant = queue.shift()) {
      if (performance.now() > untilMs) return;
      let outcome = await workspace.test(mutant, signal);
      // A test that fails now and then makes no name stale.
      if (outcome === "killed" && isExcused(mutant, survivors)) {
        outcome = await workspace.test(mutant, signal);
      }
      results.push({ mutant, outcome });
      if (outcome === "survived") print(`survived: ${JSON.stringify(entryOf(mutant), null, 2)}`);
      if (results.length % PROGRESS_EVERY === 0) {
        print(`${results.length} of ${mutants.length} in ${minutesSince(startMs)} min`);
      }
    }
  };
  const workers = Math.min(WORKERS_MAX, navigator.hardwareConcurrency);
  const ends = await Promise.allSettled(Array.from({ length: workers }, work));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  return results;
}

export const minutesSince = (startMs: number) =>
  ((performance.now() - startMs) / 60_000).toFixed(1);

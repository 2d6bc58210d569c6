/** Runs mutants of a target, each worker in a copy of its own. */
import type { Mutant } from "./mutant.ts";
import { entryOf, type Result, type Target } from "./mutation.ts";
import { print } from "./print.ts";

/** Each works in a copy of its own: compiling takes one core. */
const WORKERS_MAX = 4;
const PROGRESS_EVERY = 25;

/** Tests `mutants` in their order; begins none after `untilMs` (performance.now()). */
export async function run(
  target: Target,
  mutants: readonly Mutant[],
  untilMs: number,
): Promise<Result[]> {
  const queue = [...mutants];
  const results: Result[] = [];
  const startMs = performance.now();
  const work = async () => {
    await using workspace = await target.workspace();
    for (let mutant = queue.shift(); mutant; mutant = queue.shift()) {
      if (performance.now() > untilMs) return;
      const outcome = await workspace.test(mutant);
      results.push({ mutant, outcome });
      if (outcome === "survived") print(`survived: ${JSON.stringify(entryOf(mutant), null, 2)}`);
      if (results.length % PROGRESS_EVERY === 0) {
        print(`${results.length} of ${mutants.length} in ${minutesSince(startMs)} min`);
      }
    }
  };
  const workers = Math.min(WORKERS_MAX, navigator.hardwareConcurrency);
  await Promise.all(Array.from({ length: workers }, work));
  return results;
}

export const minutesSince = (startMs: number) =>
  ((performance.now() - startMs) / 60_000).toFixed(1);

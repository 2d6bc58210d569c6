/**
 * `deno task mutate <target> [FILE…]`: changes one thing in the sources at a time and sees whether
 * a test notices. A mutant that no test notices has to be named, with the reason, in the target's
 * file of survivors.
 */
import { parseArgs } from "node:util";
import { contractTarget } from "./contract_mutants.ts";
import { moneyTarget } from "./money_mutants.ts";
import type { Mutant } from "./mutant.ts";
import { complaintsOf, summaryOf, type Target } from "./mutation.ts";
import { minutesSince, run } from "./mutation_run.ts";
import { complain, print } from "./print.ts";
import { seedOfDay, shuffled } from "./sample.ts";

const TARGETS: Readonly<Record<string, Target>> = {
  contracts: contractTarget,
  money: moneyTarget,
};

const USAGE = `deno task mutate <target> [FILE…] [options]

  contracts      contracts/src, by the contract tests; all of them
  money          the provider's money, by the unit tests; those with a name, then a sample

  FILE…          only mutants of sources whose path ends so
  --deep         all of them, however long it takes
  --minutes M    begins no mutant after so long
  --sample N     so many besides those with a name
  --seed N       which ones: another each day when left out`;

interface Choice {
  files: readonly string[];
  minutes: number | null;
  sample: number;
  seed: number;
}

function chosen(mutants: readonly Mutant[], { files, sample, seed }: Choice): Mutant[] {
  const ofFiles = mutants.filter(({ file }) =>
    files.length === 0 || files.some((end) => file.endsWith(end))
  );
  const named = ofFiles.filter(({ name }) => name !== undefined).length;
  return shuffled(ofFiles, seed).slice(0, named + sample);
}

/** Ctrl-C and a time limit from outside: what hangs is ended and the copies are removed. */
function stopped(): AbortSignal {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(name, () => stop.abort(new Error(`stopped by ${name}`)));
  }
  return stop.signal;
}

async function mutateTarget(target: Target, choice: Choice): Promise<boolean> {
  const startMs = performance.now();
  const all = await target.mutants();
  const mutants = chosen(all, choice);
  const untilMs = choice.minutes === null ? Infinity : startMs + choice.minutes * 60_000;
  const results = await run(target, mutants, untilMs, stopped());
  const survivors = await target.survivors();
  const complaints = complaintsOf(all, results, survivors);
  for (const complaint of complaints) complain(complaint);
  const drawn = results.length < all.length ? ` of ${all.length}, seed ${choice.seed}` : "";
  print(`${summaryOf(results, survivors)} (${minutesSince(startMs)} min${drawn})`);
  return complaints.length === 0 && results.length > 0;
}

async function main(args: readonly string[]): Promise<boolean> {
  const { positionals: [name = "", ...files], values } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      deep: { type: "boolean", default: false },
      minutes: { type: "string" },
      sample: { type: "string" },
      seed: { type: "string" },
    },
  });
  const target = Object.hasOwn(TARGETS, name) ? TARGETS[name]! : null;
  const numbers = [values.minutes, values.sample, values.seed].filter((text) => text !== undefined);
  if (target === null || numbers.some((text) => !/^\d+$/.test(text))) {
    complain(USAGE);
    return false;
  }
  const { deep, minutes, sample, seed } = values;
  return await mutateTarget(target, {
    files,
    minutes: deep ? null : minutes === undefined ? target.minutes : Number(minutes),
    sample: deep || sample === undefined ? Infinity : Number(sample),
    seed: seed === undefined ? seedOfDay(new Date()) : Number(seed),
  });
}

if (import.meta.main) Deno.exit(await main(Deno.args) ? 0 : 1);

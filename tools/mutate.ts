/**
 * `deno task mutate <target> [FILE…]`: changes one thing in the sources at a time and sees whether
 * a test notices. A mutant that no test notices has to be named, with the reason, in the target's
 * file of survivors.
 */
import { contractTarget } from "./contract_mutants.ts";
import { complain, print } from "./print.ts";
import { complaintsOf, type Result, summaryOf, type Target } from "./mutation.ts";
import type { Mutant } from "./solidity_mutants.ts";

const USAGE = `deno task mutate <target> [FILE…]

  contracts    contracts/src, by the contract tests

  FILE…        only mutants of sources whose path ends so`;

/** Each works in a copy of its own: compiling takes one core. */
const WORKERS_MAX = 4;
const PROGRESS_EVERY = 25;

async function run(target: Target, mutants: readonly Mutant[]): Promise<Result[]> {
  const queue = [...mutants];
  const results: Result[] = [];
  const startMs = performance.now();
  const work = async () => {
    await using workspace = await target.workspace();
    for (let mutant = queue.shift(); mutant; mutant = queue.shift()) {
      const outcome = await workspace.test(mutant);
      results.push({ mutant, outcome });
      if (outcome === "survived") {
        print(`survived: ${mutant.file}:${mutant.lineNumber}\n  - ${mutant.line}`);
        print(`  + ${mutant.becomes}`);
      }
      if (results.length % PROGRESS_EVERY === 0) {
        const minutes = ((performance.now() - startMs) / 60_000).toFixed(1);
        print(`${results.length} of ${mutants.length} in ${minutes} min`);
      }
    }
  };
  const workers = Math.min(WORKERS_MAX, navigator.hardwareConcurrency);
  await Promise.all(Array.from({ length: workers }, work));
  return results;
}

async function main([name, ...files]: readonly string[]): Promise<boolean> {
  if (name !== "contracts") {
    complain(USAGE);
    return false;
  }
  const isChosen = ({ file }: Mutant) =>
    files.length === 0 || files.some((end) => file.endsWith(end));
  const mutants = (await contractTarget.mutants()).filter(isChosen);
  const results = await run(contractTarget, mutants);
  const survivors = await contractTarget.survivors();
  const complaints = complaintsOf(results, survivors);
  for (const complaint of complaints) complain(complaint);
  print(summaryOf(results, survivors));
  return complaints.length === 0 && results.length > 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args) ? 0 : 1);

/** The contracts as a target of `deno task mutate`: copies of the project, and forge's verdict. */
import { join, relative } from "node:path";
import { forge } from "./forge.ts";
import { type Mutant, mutate } from "./mutant.ts";
import type { Outcome, Survivor, Target, Workspace } from "./mutation.ts";
import { mutantsOf } from "./solidity_mutants.ts";

const ROOT = join(import.meta.dirname!, "..");
const SOURCES = "contracts/src";
const SURVIVORS = "contracts/test/survivors.json";
const COPIED = ["contracts/foundry.toml", SOURCES, "contracts/test", "contracts/snapshots"];

/** A mutant whose tests run longer goes on for ever: a test has noticed. */
const TEST_MS_MAX = 180_000;

/**
 * Gas figures are those of the optimiser, which the profile does without. The file stays away: a
 * filter would make forge compile every test for each mutant, to look for names.
 */
const isCopied = (path: string) => !path.endsWith("Gas.t.sol");

async function* filesBelow(dir: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(dir)) {
    const path = join(dir, entry.name);
    if (entry.isDirectory) yield* filesBelow(path);
    else yield path;
  }
}

async function copy(from: string, to: string): Promise<void> {
  const files = (await Deno.stat(from)).isFile ? [from] : await Array.fromAsync(filesBelow(from));
  for (const file of files.filter(isCopied)) {
    const target = join(to, relative(from, file));
    await Deno.mkdir(join(target, ".."), { recursive: true });
    await Deno.copyFile(file, target);
  }
}

async function mutants(): Promise<Mutant[]> {
  const files = await Array.fromAsync(filesBelow(join(ROOT, SOURCES)));
  const all = files.sort().map(async (path) =>
    mutantsOf(relative(ROOT, path), await Deno.readTextFile(path))
  );
  return (await Promise.all(all)).flat();
}

async function survivors(): Promise<Survivor[]> {
  return JSON.parse(await Deno.readTextFile(join(ROOT, SURVIVORS)));
}

/** Bytecode of everything below contracts/src, by artifact. */
async function bytecodeIn(root: string): Promise<string> {
  const parts: string[] = [];
  for await (const path of filesBelow(join(root, "contracts/out"))) {
    const { bytecode, metadata } = JSON.parse(await Deno.readTextFile(path));
    const [source] = Object.keys(metadata?.settings?.compilationTarget ?? {});
    if (source?.startsWith(SOURCES)) parts.push(`${path} ${bytecode.object}`);
  }
  return parts.sort().join("\n");
}

async function workspace(): Promise<Workspace> {
  const root = await Deno.makeTempDir({ prefix: "khachapuri-mutants-" });
  for (const path of COPIED) await copy(join(ROOT, path), join(root, path));
  await Deno.symlink(join(ROOT, "node_modules"), join(root, "node_modules"));
  const run = (stop: AbortSignal) => runTests(root, stop);
  const { success, stdout, stderr } = await run(new AbortController().signal);
  if (!success) throw new Error(`the unchanged sources fail:\n${stdout}\n${stderr}`);
  const unchanged = await bytecodeIn(root);
  return {
    async test(mutant, signal) {
      const path = join(root, mutant.file);
      const source = await Deno.readTextFile(path);
      await Deno.writeTextFile(path, mutate(source, mutant));
      try {
        const outcome = outcomeOf(await run(signal));
        if (outcome !== "survived") return outcome;
        return await bytecodeIn(root) === unchanged ? "equal" : "survived";
      } finally {
        await Deno.writeTextFile(path, source);
      }
    },
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
}

interface Run {
  success: boolean;
  stdout: string;
  stderr: string;
  isTimeout: boolean;
}

async function runTests(root: string, stop: AbortSignal): Promise<Run> {
  const isLate = AbortSignal.timeout(TEST_MS_MAX);
  const signal = AbortSignal.any([stop, isLate]);
  const output = await forge(["test", "--fail-fast"], {
    env: { FOUNDRY_PROFILE: "mutate" },
    stdout: "piped",
    stderr: "piped",
    root: `${root}/`,
    signal,
  });
  stop.throwIfAborted();
  return { ...output, isTimeout: isLate.aborted };
}

/** What forge said of a mutant; whether it is one at all the bytecode says. */
export function outcomeOf({ success, stdout, stderr, isTimeout }: Run): Outcome {
  if (success) return "survived";
  if (isTimeout || /^Encountered a total of \d+ failing tests/m.test(stdout)) return "killed";
  if (/^Error: Compil(?:er run|ation) failed/m.test(stderr)) return "invalid";
  throw new Error(`forge neither compiled nor tested:\n${stdout}\n${stderr}`);
}

export const contractTarget: Target = { minutes: null, mutants, survivors, workspace };

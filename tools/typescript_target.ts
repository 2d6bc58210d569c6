/** TypeScript sources as a target of `deno task mutate`: copies of the project, and its tests. */
import { join } from "node:path";
import { type Mutant, mutantAt, mutate } from "./mutant.ts";
import type { Outcome, Survivor, Target, Workspace } from "./mutation.ts";
import { PERMISSIONS_OF_TESTS } from "./permissions.ts";
import { type Choice, testsOf } from "./test_choice.ts";
import { isTest, readSources, type SourceFile } from "./tidy.ts";
import { typescriptMutants } from "./typescript_mutants.ts";

/** A mutant that some test has to notice, as an edit of today's source. */
export interface NamedMutant {
  name: string;
  file: string;
  /** Stands once in the file. */
  from: string;
  to: string;
}

export interface TypescriptTarget {
  /** The project. */
  root: string;
  /** Files and folders that its tests need. */
  copied: readonly string[];
  /** What is mutated: paths, or patterns with `*` for anything within a folder. */
  sources: readonly string[];
  named: readonly NamedMutant[];
  tests: Choice;
  /** Path of the file of survivors. */
  survivors: string;
  minutes: number | null;
  /** No mutant hangs that takes less, whatever the machine does besides, ms. */
  hangMs: number;
}

/** A mutant has this many times what the unchanged sources take: then it hangs. */
const PATIENCE = 5;
/** The same histories for every mutant, and fewer of them than a test of its own takes. */
const ENV = {
  NO_COLOR: "1",
  KHACHAPURI_SEED: "1",
  KHACHAPURI_RUNS: "60",
  KHACHAPURI_EVENTS: "4",
};
/** A mutant that fills the memory ends, MiB. */
const HEAP = "--v8-flags=--max-old-space-size=1024";

export function typescriptTarget(options: TypescriptTarget): Target {
  const { root, minutes, survivors } = options;
  const baselines = new Map<string, Promise<number>>();
  return {
    minutes,
    mutants: () => mutantsIn(options),
    async survivors(): Promise<Survivor[]> {
      return JSON.parse(await Deno.readTextFile(survivors));
    },
    async workspace() {
      const files = await readSources(root);
      return await openWorkspace(options, files, baselines);
    },
  };
}

async function mutantsIn({ root, sources, named }: TypescriptTarget): Promise<Mutant[]> {
  const files = await readSources(root);
  const chosen = matching(files, sources).map(({ path }) => path);
  return [
    ...named.map((each) => namedMutant(each, files)),
    ...await typescriptMutants(root, chosen),
  ];
}

function matching(files: readonly SourceFile[], patterns: readonly string[]): SourceFile[] {
  const found = patterns.flatMap((pattern) => {
    const parts = pattern.split("*").map((part) => part.replace(/[.]/g, "\\."));
    const expression = new RegExp(`^${parts.join("[^/]*")}$`);
    const some = files.filter(({ path }) => expression.test(path) && !isTest(path));
    if (some.length === 0) throw new Error(`nothing is called ${pattern}: it has moved`);
    return some;
  });
  return [...new Set(found)];
}

/** @throws Error when its place is not there, or more than once */
export function namedMutant(
  { name, file, from, to }: NamedMutant,
  files: readonly SourceFile[],
): Mutant {
  const source = files.find(({ path }) => path === file)?.text ?? "";
  const places = source.split(from).length - 1;
  if (places !== 1) {
    throw new Error(`"${name}" has ${places} places in ${file} and needs one: ${from}`);
  }
  return { ...mutantAt(file, source, source.indexOf(from), from, to), name };
}

async function openWorkspace(
  { root: origin, copied, tests: choice, hangMs }: TypescriptTarget,
  files: readonly SourceFile[],
  baselines: Map<string, Promise<number>>,
): Promise<Workspace> {
  const root = await Deno.makeTempDir({ prefix: "khachapuri-mutants-" });
  for (const path of copied) await copy(join(origin, path), join(root, path));
  await Deno.symlink(join(origin, "node_modules"), join(root, "node_modules"));

  /** How long the unchanged sources take, ms; found out once for all copies. */
  function baseline(tests: readonly string[], signal: AbortSignal): Promise<number> {
    const key = tests.join(" ");
    const known = baselines.get(key) ?? measure(root, tests, signal);
    baselines.set(key, known);
    return known;
  }

  async function outcomeOf(
    mutant: Mutant,
    source: string,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const path = join(root, mutant.file);
    for (const tests of testsOf(mutant.file, files, choice)) {
      const usualMs = await baseline(tests, signal);
      await Deno.writeTextFile(path, mutate(source, mutant));
      const run = await runTests(root, tests, signal, Math.max(hangMs, PATIENCE * usualMs));
      await Deno.writeTextFile(path, source);
      if (/could not be parsed/.test(run.output)) return "invalid";
      if (!run.isSuccess) return "killed";
    }
    return "survived";
  }

  return {
    async test(mutant, signal) {
      return await outcomeOf(mutant, await Deno.readTextFile(join(root, mutant.file)), signal);
    },
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
}

async function copy(from: string, to: string): Promise<void> {
  if ((await Deno.stat(from)).isFile) {
    await Deno.mkdir(join(to, ".."), { recursive: true });
    return await Deno.copyFile(from, to);
  }
  await Deno.mkdir(to, { recursive: true });
  for await (const { name } of Deno.readDir(from)) await copy(join(from, name), join(to, name));
}

async function measure(
  root: string,
  tests: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const startMs = performance.now();
  const { isSuccess, output } = await runTests(root, tests, signal, Infinity);
  if (!isSuccess) throw new Error(`the unchanged sources fail:\n${output}`);
  return performance.now() - startMs;
}

interface Run {
  isSuccess: boolean;
  output: string;
}

/** Runs until the first test fails; after `limitMs` all that was started is ended. */
async function runTests(
  root: string,
  tests: readonly string[],
  signal: AbortSignal,
  limitMs: number,
): Promise<Run> {
  signal.throwIfAborted();
  const flags = ["--no-check", "--frozen", "--quiet", "--fail-fast", HEAP, ...PERMISSIONS_OF_TESTS];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", ...flags, ...tests],
    cwd: root,
    env: ENV,
    // Leads a group of its own: a chain that a test started ends with it.
    detached: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const end = () => endGroup(child.pid);
  const timer = limitMs === Infinity ? undefined : setTimeout(end, limitMs);
  signal.addEventListener("abort", end);
  try {
    const { success, stdout, stderr } = await child.output();
    signal.throwIfAborted();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { isSuccess: success, output: text(stdout) + text(stderr) };
  } finally {
    signal.removeEventListener("abort", end);
    clearTimeout(timer);
    end();
  }
}

function endGroup(leader: number): void {
  try {
    Deno.kill(-leader, "SIGKILL");
  } catch {
    // It is gone already.
  }
}

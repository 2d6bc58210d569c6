/** Mutants of TypeScript sources; `deno lint` finds what can change (typescript_operators.ts). */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Mutant, mutantAt } from "./mutant.ts";
import type { Change } from "./typescript_operators.ts";

const PLUGIN = new URL("./typescript_operators.ts", import.meta.url).href;

/** Every mutant of `files` (paths within `root`), in the order of the sources. */
export async function typescriptMutants(root: string, files: readonly string[]): Promise<Mutant[]> {
  const changes = await changesIn(root, files);
  const all = files.map(async (file) => {
    const source = await Deno.readTextFile(join(root, file));
    return counted(
      changesOf(changes, join(root, file)).map((change) => {
        const from = source.slice(change.from, change.until);
        return { ...mutantAt(file, source, change.from, from, change.to), within: change.within };
      }),
    );
  });
  return (await Promise.all(all)).flat();
}

type Changes = ReadonlyMap<string, readonly Change[]>;

function changesOf(changes: Changes, path: string): readonly Change[] {
  return (changes.get(path) ?? []).toSorted((a, b) => a.from - b.from || a.until - b.until);
}

/** By absolute path. */
async function changesIn(root: string, files: readonly string[]): Promise<Changes> {
  const config = await Deno.makeTempFile({ prefix: "khachapuri-mutants-", suffix: ".json" });
  try {
    const rules = { tags: [], include: ["mutants/change"] };
    await Deno.writeTextFile(config, JSON.stringify({ lint: { plugins: [PLUGIN], rules } }));
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["lint", "--json", "--config", config, ...files.map((file) => join(root, file))],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).output();
    const text = new TextDecoder().decode(stdout);
    if (!text.startsWith("{")) throw new Error(new TextDecoder().decode(stderr));
    return byPath(JSON.parse(text));
  } finally {
    await Deno.remove(config);
  }
}

interface LintOutput {
  diagnostics: { filename: string; message: string }[];
  errors: { file_path: string; message: string }[];
}

function byPath({ diagnostics, errors }: LintOutput): Changes {
  const [error] = errors;
  if (error) throw new Error(`${error.file_path}: ${error.message}`);
  const groups = Map.groupBy(diagnostics, ({ filename }) => fileURLToPath(filename));
  return new Map(
    [...groups].map(([path, group]) => [path, group.map(({ message }) => JSON.parse(message))]),
  );
}

/** Those that read the same as an earlier one of their function say which they are. */
function counted(mutants: readonly Mutant[]): Mutant[] {
  const counts = new Map<string, number>();
  return mutants.map((mutant) => {
    const key = JSON.stringify([mutant.within, mutant.line, mutant.becomes]);
    const occurrence = (counts.get(key) ?? 0) + 1;
    counts.set(key, occurrence);
    return occurrence === 1 ? mutant : { ...mutant, occurrence };
  });
}

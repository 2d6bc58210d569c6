/**
 * Our sources as JavaScript files: no npm, no remote, no paths of the machine that builds them.
 * What a build knows of itself is put in the place of modules that know nothing, by an import map.
 */
import { createHash } from "node:crypto";
import { dirname, join, relative } from "node:path";
import manifest from "../deno.json" with { type: "json" };
import { stop } from "./print.ts";
import { runQuietly } from "./quiet.ts";

const ROOT = join(import.meta.dirname!, "..");
/** Modules of builds, by what is in them: two builds at once don't meet. */
const BAKED = join(ROOT, ".cache", "baked");

/** Modules that a build brings, by the path of those whose place they take. */
export type Replacements = Readonly<Record<string, string>>;

/**
 * Writes the modules, and the import map that puts them in their places.
 * @returns the path of the map, which depends on nothing but what is in the modules
 */
export async function writeImportMap(replacements: Replacements): Promise<string> {
  const digest = createHash("sha256").update(JSON.stringify(replacements)).digest("hex");
  const dir = join(BAKED, digest.slice(0, 16));
  const imports: Record<string, string> = {};
  for (const [name, specifier] of Object.entries(manifest.imports)) {
    imports[name] = specifier;
    // deno.json stands for a package's subpaths as well, an import map does not.
    imports[`${name}/`] = `${specifier.replace("npm:", "npm:/")}/`;
  }
  for (const [path, text] of Object.entries(replacements)) {
    await Deno.mkdir(join(dir, dirname(path)), { recursive: true });
    await writeWhole(join(dir, path), text);
    imports[relative(dir, join(ROOT, path))] = `./${path}`;
  }
  const map = join(dir, "import_map.json");
  await writeWhole(map, JSON.stringify({ imports }, null, 2));
  return map;
}

/** Another build may be reading the same file. */
async function writeWhole(path: string, text: string): Promise<void> {
  const fresh = `${path}.${crypto.randomUUID()}`;
  await Deno.writeTextFile(fresh, text);
  await Deno.rename(fresh, path);
}

/**
 * Bundles main.ts into the folder `dir`. Each command is a file, and what some of them share: one
 * that starts reads what it needs.
 */
export async function bundle(dir: string, replacements: Replacements): Promise<void> {
  const map = await writeImportMap(replacements);
  // Not --minify: it drops `using` where the variable is used once, and with it what it closes.
  const flags = ["--quiet", "--frozen", "--platform", "deno", "--code-splitting"];
  const command = new Deno.Command(Deno.execPath(), {
    args: ["bundle", ...flags, "--import-map", map, "--outdir", dir, "main.ts"],
    cwd: ROOT,
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  });
  const { code } = await command.output();
  if (code !== 0) stop([`bundle: deno bundle failed with exit code ${code}`]);
}

/** What a bundle's files hold, by their names and in the order of them. */
export async function readBundle(dir: string): Promise<Map<string, string>> {
  const names = await Array.fromAsync(Deno.readDir(dir), ({ name }) => name);
  const read = async (name: string) => [name, await Deno.readTextFile(join(dir, name))] as const;
  return new Map(await Promise.all(names.sort().map(read)));
}

/** What a build knows of itself. */
export interface Baked {
  /** 40 hex digits, with "+changes" behind them where files were changed; "source": not known. */
  readonly commit: string;
  /** minisign's line of the key that signs successors; null: none. */
  readonly trustedKey: string | null;
}

/** lib/release/build_facts.ts for a build. */
export function factsModule({ commit, trustedKey }: Baked): Replacements {
  const text = `export const COMMIT = ${JSON.stringify(commit)};\n` +
    `export const TRUSTED_KEY = ${JSON.stringify(trustedKey ?? "")};\n`;
  return { "lib/release/build_facts.ts": text };
}

/** The commit of the sources as they lie here; "source" where no git tells it. */
export async function commitHere(): Promise<string> {
  const git = async (...args: string[]) => {
    const ended = await runQuietly("git", ["-C", ROOT, ...args], { LC_ALL: "C" });
    return ended.isDone ? ended.said : null;
  };
  try {
    const commit = await git("rev-parse", "--verify", "HEAD");
    if (commit === null || !/^[0-9a-f]{40}$/.test(commit)) return "source";
    return await git("status", "--porcelain") === "" ? commit : `${commit}+changes`;
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return "source";
    throw thrown;
  }
}

/** One module of a package as the bundler names it in a comment above its code. */
const MODULE = /^\s*\/\/ node_modules\/\.deno\/([^/\s]+)\/node_modules\//gm;

/** The npm packages whose code is in a bundle's files, `name@version`, sorted. */
export function packagesIn(files: Iterable<string>): string[] {
  const modules = [...files].flatMap((code) => [...code.matchAll(MODULE)]);
  const folders = modules.map(([, folder]) => folder!);
  // A folder's name has "+" for the "/" behind a scope, and "_" before the peers beside it.
  const names = folders.map((folder) =>
    folder.replace(/^(@[^+@]+)\+/, "$1/").replace(/(.@[^_]+)_.*$/, "$1")
  );
  return [...new Set(names)].sort();
}

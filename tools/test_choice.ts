/** Which tests look at a source, those that say most first. */
import { basename, dirname } from "node:path";
import { importsOf, isTest, isTypeScript, type SourceFile } from "./tidy.ts";

/** Tests, by path, that take long, and those that are not asked. */
export interface Choice {
  readonly last: readonly string[];
  readonly without: readonly string[];
}

/**
 * Tests of `source` in stages, each run only when the one before noticed nothing: those beside it
 * that bear its name, then all of its folder that reach it by imports, then the `last` of those
 * that do.
 */
export function testsOf(
  source: string,
  files: readonly SourceFile[],
  { last, without }: Choice,
): string[][] {
  const reaching = testsReaching(source, files).filter((path) => !without.includes(path));
  const stem = basename(source, ".ts");
  const isNeighbour = (path: string) =>
    dirname(path) === dirname(source) && basename(path).startsWith(`${stem}_`);
  const beside = reaching.filter((path) => isNeighbour(path) && !last.includes(path));
  const around = reaching.filter((path) =>
    dirname(path) === dirname(source) && !isNeighbour(path) && !last.includes(path)
  );
  const slow = last.filter((path) => reaching.includes(path));
  return [beside, around, ...slow.map((path) => [path])].filter((stage) => stage.length > 0);
}

/** Every test whose imports lead to `source`, by path. */
export function testsReaching(source: string, files: readonly SourceFile[]): string[] {
  const importers = importersOf(files);
  const found = new Set([source]);
  for (const path of found) for (const importer of importers.get(path) ?? []) found.add(importer);
  return [...found].filter(isTest).sort();
}

/** Files by what they import at run time. */
function importersOf(files: readonly SourceFile[]): ReadonlyMap<string, string[]> {
  const importers = new Map<string, string[]>();
  for (const file of files.filter(isTypeScript)) {
    for (const { target, isTypeOnly } of importsOf(file)) {
      if (isTypeOnly) continue;
      const known = importers.get(target);
      if (known) known.push(file.path);
      else importers.set(target, [file.path]);
    }
  }
  return importers;
}

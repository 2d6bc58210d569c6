/**
 * What a provider was started with, as far as it lies in files: the configuration, the terms, the
 * keys and the program itself. What differs from what lies there now, a successor would do.
 */
import { createHash } from "node:crypto";
import { type Config, type ConfigJson, requireProvider, resolveFromHome } from "../../config.ts";
import { changesBetween, maskedChangeText } from "../../config_changes.ts";
import { readBytes } from "../../files.ts";
import { markOf } from "./program_file.ts";

export interface Standing {
  /** config.json as it is written. */
  readonly config: ConfigJson;
  /** SHA-256 of the terms' texts, by their path; null for what cannot be read. */
  readonly terms: ReadonlyMap<string, string | null>;
  /** Of the key file. */
  readonly keys: string | null;
  /** The program's file, and which one it was; null from source. */
  readonly file: string | null;
  readonly fileMark: string | null;
}

/**
 * Reads it.
 * @param config the same, checked
 */
export async function readStanding(
  json: ConfigJson,
  config: Config,
  file: string | null,
): Promise<Standing> {
  const { terms, keyFile } = requireProvider(config);
  const digests = new Map<string, string | null>();
  for (const path of terms) digests.set(path, await digestOf(resolveFromHome(config, path)));
  return {
    config: json,
    terms: digests,
    keys: await digestOf(resolveFromHome(config, keyFile)),
    file,
    fileMark: file === null ? null : await markOf(file),
  };
}

/** What a successor would do otherwise, a line each; nothing secret is in them. */
export function changesOf(before: Standing, after: Standing): string[] {
  const rewritten = [...after.terms].filter(([path, digest]) =>
    before.terms.has(path) && before.terms.get(path) !== digest
  );
  return [
    ...changesBetween(before.config, after.config).map(maskedChangeText),
    ...rewritten.map(([path]) => `${path}: another text`),
    ...(before.keys === after.keys ? [] : ["the key file: other keys"]),
    ...(before.fileMark === after.fileMark ? [] : [`${after.file}: another file`]),
  ];
}

/** What cannot be read is for the successor to refuse, in its own words. */
function digestOf(path: string): Promise<string | null> {
  return readBytes(path).then(
    (bytes) => createHash("sha256").update(bytes).digest("hex"),
    () => null,
  );
}

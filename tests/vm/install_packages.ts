/** The package, and a later release of the same, signed by the key that both trust. */
import { join } from "node:path";
import { commitHere } from "../../tools/bundle.ts";
import { buildPackage } from "../../tools/package.ts";
import { HELPER } from "../../tools/permissions.ts";
import { VERSION } from "../../lib/version.ts";
import { newSigningKey, signPackage } from "../../worlds/signed_release.ts";
import { ROOT } from "./emulator.ts";

/** Of the later one. */
export const LATER = VERSION.replace(/\d+$/, (patch) => String(Number(patch) + 1));

export interface Packages {
  readonly first: string;
  readonly later: string;
}

/** @param dir where they are put, with `.minisig` beside the later one */
export async function buildPackages(dir: string): Promise<Packages> {
  const key = newSigningKey();
  const baked = { commit: await commitHere(), trustedKey: key.publicLine };
  const parts = { deno: Deno.execPath(), helper: join(ROOT, HELPER), baked };
  const first = join(dir, "khachapuri");
  await buildPackage(first, parts);
  const later = join(dir, `khachapuri-${LATER}-linux-x86_64`);
  const version = `export const VERSION: string = ${JSON.stringify(LATER)};\n`;
  await buildPackage(later, { ...parts, replacements: { "lib/version.ts": version } });
  const bytes = await Deno.readFile(later);
  // The stub's own line is of the sources' version; it is in no digest.
  bytes.set(new TextEncoder().encode(LATER), "#!/bin/sh\n# Khachapuri ".length);
  await Deno.writeFile(later, bytes);
  await Deno.writeTextFile(`${later}.minisig`, signPackage(bytes, key, { version: LATER }));
  return { first, later };
}

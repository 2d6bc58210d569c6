/**
 * `deno task compile`: one executable by `deno compile`, bundled, permissions baked in.
 * Its base (denort) is fetched by deno from its own release server; where that cannot be reached,
 * `deno task package` builds one file with the same behaviour.
 */
import { join } from "node:path";
import {
  bundle,
  commitHere,
  factsModule,
  packagesIn,
  readBundle,
  type Replacements,
  writeImportMap,
} from "./bundle.ts";
import { permissions } from "./permissions.ts";
import { print, stop } from "./print.ts";
import { allPackages, collectLicenses } from "./release/licenses.ts";
import { V8_FLAGS } from "./v8_flags.ts";

const ROOT = join(import.meta.dirname!, "..");

/** A compiled binary writes its helper where no path is known now, and starts it through env. */
const PERMISSIONS = permissions("/usr/bin/env");

/** The arguments of `deno` that build the executable at `path`. */
function compileArguments(path: string, importMap: string): string[] {
  // Not --minify, for the reason that tools/bundle.ts gives.
  const flags = ["--quiet", "--frozen", "--no-prompt", "--bundle", "--unstable-no-legacy-abort"];
  return [
    "compile",
    ...flags,
    // Our sources have been checked; comments of packages name types that no bundle has.
    "--no-check",
    "--import-map",
    importMap,
    V8_FLAGS,
    ...PERMISSIONS,
    "--output",
    path,
    "main.ts",
  ];
}

/** What the executable carries; its licences are a module, as no file lies beside it. */
async function replacements(): Promise<Replacements> {
  const facts = factsModule({ commit: await commitHere(), trustedKey: null });
  const dir = await Deno.makeTempDir();
  try {
    await bundle(dir, facts);
    const files = await readBundle(dir);
    const licenses = await collectLicenses(allPackages(packagesIn(files.values())));
    const text = `export const LICENSES_JSON = ${JSON.stringify(JSON.stringify(licenses))};\n`;
    return { ...facts, "lib/release/licenses_text.ts": text };
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/**
 * Builds the executable. deno does not write over a file that is no program of its own, as the one
 * that `deno task package` builds, so it is built beside it.
 * @param env for deno, e.g. DENORT_BIN
 * @returns what deno said when it failed, null when it did not
 */
export async function compile(
  path: string,
  env: Record<string, string> = {},
): Promise<string | null> {
  const fresh = `${path}.new`;
  const importMap = await writeImportMap(await replacements());
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: compileArguments(fresh, importMap),
    cwd: ROOT,
    env: { ...env, NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) return new TextDecoder().decode(stderr).trim();
  await Deno.rename(fresh, path);
  return null;
}

/** Whether the failure is the missing base and not our sources. */
export function isBaseMissing(complaint: string): boolean {
  return /denort/.test(complaint);
}

if (import.meta.main) {
  await Deno.mkdir(join(ROOT, "dist"), { recursive: true });
  const path = join(ROOT, "dist", "khachapuri");
  const complaint = await compile(path);
  if (complaint === null) {
    print(`${path}  ${((await Deno.stat(path)).size / 1e6).toFixed(1)} MB`);
  } else if (isBaseMissing(complaint)) {
    stop([
      complaint,
      "",
      "compile: the base of compiled programs (denort) can't be downloaded here. Either",
      "  deno task package     builds one file with the same behaviour, without it;",
      `  or put denort-${Deno.build.target}.zip of Deno ${Deno.version.deno} under dl/release/` +
      `v${Deno.version.deno}/ of DENO_DIR and try again.`,
    ]);
  } else {
    stop([complaint]);
  }
}

/** The files of a home as `init` finds and makes them, and the texts in them. */
import { isAbsolute, join, resolve } from "node:path";
import { KhachapuriError } from "../errors.ts";
import { type KeyFile, readKeyFile } from "../spec/keys.ts";
import { EXAMPLE_TERMS_NOTE } from "../spec/terms.ts";
import type { ProviderJson } from "./init_config.ts";
import { systemdUnit } from "./systemd_unit.ts";
import { apparmorProfile } from "./up/system_files.ts";

/** A beginning for the provider's terms; callers' deployments sign the hash of the final text. */
export const TERMS_TEMPLATE = (name: string): string =>
  `Terms and conditions of ${name}

1. I run the programs you deploy to me, as long as your escrow holds credits for me at my price.
2. One credit pays for one run within the limits that my page states. A run that fails or times
   out by the program's own doing costs its credit; one that fails by mine costs nothing.
3. You deploy nothing that is against the law where I am, that attacks others, or that tries to
   leave its sandbox. I may stop a deployment that does.
4. I keep no copy of request or response bodies. I keep what accounting needs: who paid, when,
   how much, which deployment.
5. I promise care, not uptime. What I owe you for damage is at most what you paid me in the last
   month.

${EXAMPLE_TERMS_NOTE}
`;

/** A key file; null when there is none. @throws KhachapuriError as `readKeyFile` */
export async function keysIn(path: string): Promise<KeyFile | null> {
  return await readKeyFile(path).catch((error) => {
    if (error instanceof KhachapuriError && error.code === "not_found") return null;
    throw error;
  });
}

/**
 * What root writes in another's home, that one can't read.
 * @throws KhachapuriError `access_denied` where `home` belongs to somebody else
 */
export async function assertOwnHome(home: string): Promise<void> {
  const owner = await Deno.stat(home).then(({ uid }) => uid, (error) => {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  });
  if (owner === null || owner === Deno.uid()) return;
  throw new KhachapuriError("access_denied", `${home} belongs to another user (uid ${owner})`, {
    hints: ["run it as that user: runuser -u USER -- khachapuri init …"],
  });
}

/** @throws KhachapuriError `invalid_input` unless the text is there that config.json is to name */
export async function assertTerms(home: string, file: string): Promise<void> {
  const path = isAbsolute(file) ? file : join(home, file);
  const isThere = await Deno.stat(path).then(({ isFile }) => isFile, () => false);
  if (isThere) return;
  throw new KhachapuriError("invalid_input", `there are no terms at ${path}`, {
    hints: ["write them first; the file is looked for in the home"],
  });
}

/**
 * A text to begin with, where the configuration names terms.txt and there is none or the example.
 * @param given what it is to say; without it, the example
 */
export async function addTerms(
  home: string,
  { name, terms }: ProviderJson,
  given?: string,
): Promise<string[]> {
  if (!terms.includes("terms.txt")) return [];
  const path = join(home, "terms.txt");
  const before = await textIn(path);
  if (given !== undefined && before !== null && before.includes(EXAMPLE_TERMS_NOTE)) {
    await replaceTextFile(path, given);
    return [path];
  }
  try {
    await Deno.writeTextFile(path, given ?? TERMS_TEMPLATE(name), { createNew: true });
    return [path];
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return [];
    throw error;
  }
}

async function replaceTextFile(path: string, text: string): Promise<void> {
  await Deno.writeTextFile(`${path}.new`, text);
  await Deno.rename(`${path}.new`, path);
}

/**
 * Writes the unit, or leaves the one that says the same.
 * @returns its absolute path
 * @throws KhachapuriError `invalid_input` when another one is there, `access_denied`
 */
export async function writeUnit(file: string, home: string): Promise<string> {
  return await writeSystemFile(file, systemdUnit({ home, sockets: null }));
}

/** As `writeUnit`, a profile for AppArmor (up/system_files.ts). */
export async function writeProfile(file: string, home: string): Promise<string> {
  return await writeSystemFile(file, apparmorProfile(home));
}

async function writeSystemFile(file: string, unit: string): Promise<string> {
  const path = resolve(file);
  try {
    await Deno.writeTextFile(path, unit, { createNew: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw unwritable(path, error);
    if (await textIn(path) === unit) return path;
    throw new KhachapuriError("invalid_input", `${path} exists and says something else`, {
      hints: ["keep your changes in a drop-in (systemctl edit khachapuri) and move it away"],
    });
  }
  return path;
}

/** Null for what is no text file. */
function textIn(path: string): Promise<string | null> {
  return Deno.readTextFile(path).catch(() => null);
}

function unwritable(path: string, cause: unknown): KhachapuriError {
  return new KhachapuriError("access_denied", `${path} can't be written`, {
    cause,
    hints: ["its folder has to be there, and the system's belongs to root: su -"],
  });
}

export function changedLines(changed: readonly string[]): string[] {
  return changed.map((field) => `changed   ${field}`);
}

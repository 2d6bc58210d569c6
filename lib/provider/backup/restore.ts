/**
 * Puts a backup in the place of a provider's home. All of it is unpacked beside and checked before
 * anything that is there is touched; what was there is put aside, never removed.
 */
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { KhachapuriError } from "../../errors.ts";
import { type Config, parseConfig, resolveFromHome } from "../../config.ts";
import { parseJson } from "../../shape.ts";
import { assertLedgerVersion } from "../ledger/version.ts";
import { readArchive } from "./archive.ts";
import { placesOf, STAGING_PREFIX } from "./places.ts";
import { writeAll } from "./written.ts";
import { isWayDown, type Manifest, MANIFEST_NAME, parseManifest } from "./manifest.ts";

export interface RestoreOptions {
  /** The backup's path, for messages. */
  path: string;
  file: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Where the home is to be; other folders go where they were. */
  home: string;
  identities: readonly string[];
  /** Whether what is there is put aside; else a home that has anything in it is refused. */
  replaces: boolean;
  now: () => number;
}

export interface Restored {
  manifest: Manifest;
  /** Where what was there is now; null when nothing was. */
  asidePath: string | null;
}

const ASIDE = "before-restore";

/** @throws KhachapuriError `invalid_input`, and nothing is changed then */
export async function restore(options: RestoreOptions): Promise<Restored> {
  const { home } = options;
  await Deno.mkdir(home, { recursive: true });
  const there = await itemsOf(home);
  if (there.length > 0 && !options.replaces) throw notEmpty(home);
  const staging = await Deno.makeTempDir({ dir: home, prefix: STAGING_PREFIX });
  try {
    const manifest = await unpack(options, staging).catch((error) => {
      throw asDamage(error, options.path);
    });
    await assertUsable(manifest, options.path, staging);
    const taken = await takenElsewhere(manifest, staging);
    if (taken !== null && !options.replaces) throw isTaken(taken);
    const asidePath = there.length > 0 ? await putAside(home, options.now()) : null;
    await putInPlace(manifest, staging, options);
    await Deno.chmod(home, 0o711);
    return { manifest, asidePath };
  } finally {
    await Deno.remove(staging, { recursive: true });
  }
}

/** What is in a home, but for what a restore has left there. */
async function itemsOf(home: string): Promise<string[]> {
  const items = await Array.fromAsync(Deno.readDir(home));
  return items.map(({ name }) => name)
    .filter((name) => name !== ASIDE && !name.startsWith(STAGING_PREFIX));
}

function notEmpty(home: string): KhachapuriError {
  return new KhachapuriError("invalid_input", `${home} has files in it`, {
    hints: [
      `to put them aside, into ${join(home, ASIDE)}, give --replace`,
      "or restore into another home: --home DIR",
    ],
  });
}

function isTaken(path: string): KhachapuriError {
  return new KhachapuriError("invalid_input", `${path} is there, and the backup has one`, {
    hints: ["to have it renamed and the backup's put in its place, give --replace"],
  });
}

/** @returns the manifest, when every file is there as it says and no other is */
async function unpack(
  { file, path, identities }: RestoreOptions,
  staging: string,
): Promise<Manifest> {
  const got = new Map<string, { bytes: number; sha256: string }>();
  let text: string | null = null;
  for await (const { header, body } of readArchive(file, path, identities)) {
    if (header.name === MANIFEST_NAME) {
      text = await new Response(body).text();
      continue;
    }
    const isPlain = header.type === undefined || header.type === "file";
    if (!isPlain || !isWayDown(header.name)) throw damaged(path, `${header.name} is no file of it`);
    if (got.has(header.name)) throw damaged(path, `${header.name} is in it twice`);
    got.set(header.name, await placed(body, join(staging, header.name)));
  }
  if (text === null) throw damaged(path, "its end is missing");
  const manifest = parseManifest(text, `${path}: ${MANIFEST_NAME}`);
  for (const { name, bytes, sha256, mode } of manifest.files) {
    const found = got.get(name);
    if (found?.bytes !== bytes || found.sha256 !== sha256) {
      throw damaged(path, `${name} is not what it was`);
    }
    got.delete(name);
    await Deno.chmod(join(staging, name), mode);
  }
  for (const name of got.keys()) throw damaged(path, `${name} does not belong to it`);
  return manifest;
}

async function placed(body: ReadableStream<Uint8Array>, to: string) {
  await Deno.mkdir(dirname(to), { recursive: true, mode: 0o700 });
  const hash = createHash("sha256");
  let bytes = 0;
  using file = await Deno.open(to, { createNew: true, write: true, mode: 0o600 });
  // It is on the disk before anything that was there is put aside for it.
  await writeAll(file, body, (chunk) => {
    hash.update(chunk);
    bytes += chunk.length;
  });
  return { bytes, sha256: hash.digest("hex") };
}

/** @throws KhachapuriError for a configuration or a ledger that this release cannot read */
async function assertUsable(manifest: Manifest, path: string, staging: string): Promise<void> {
  const at = join(staging, "home", "config.json");
  const text = await Deno.readTextFile(at).catch(() => {
    throw damaged(path, "it has no config.json");
  });
  const inside = `${path}: config.json`;
  const config = parseConfig(parseJson(text, inside, "invalid_input"), join(staging, "home"));
  if (!config.provider) throw damaged(path, "its config.json is no provider's");
  assertPlaces(manifest, { ...config, home: homeOf(manifest) }, path);
  const isElsewhere = manifest.places.some(({ prefix }) => prefix === "state");
  const state = isElsewhere
    ? join(staging, "state")
    : resolveFromHome(config, config.provider.stateDir);
  assertLedgerVersion(join(state, "book", "ledger.db"));
}

/** Where the home was. */
function homeOf({ places }: Manifest): string {
  return places.find(({ prefix }) => prefix === "home")?.path ?? "/";
}

/** Files go where the configuration has them, which its operator knows, and nowhere else. */
function assertPlaces({ places }: Manifest, config: Config, path: string): void {
  const own = placesOf(config).map(({ prefix, path }) => `${prefix} ${path}`);
  const foreign = places.find(({ prefix, path }) => !own.includes(`${prefix} ${path}`));
  if (foreign) throw damaged(path, `its config.json names no ${foreign.path}`);
}

/** Moves what a home has into a folder of its own in it. */
async function putAside(home: string, now: number): Promise<string> {
  const aside = join(home, ASIDE, stampOf(now));
  await Deno.mkdir(aside, { recursive: true, mode: 0o700 });
  await Deno.chmod(join(home, ASIDE), 0o700);
  for (const name of await itemsOf(home)) await Deno.rename(join(home, name), join(aside, name));
  return aside;
}

/** Files last, so the keys and config.json: without them nothing starts on half of the rest. */
async function putInPlace(
  manifest: Manifest,
  staging: string,
  { home, now }: RestoreOptions,
): Promise<void> {
  for (const { prefix, path } of [...manifest.places].reverse()) {
    const to = prefix === "home" ? home : path;
    await Deno.mkdir(to, { recursive: true, mode: 0o711 });
    const items = await Array.fromAsync(Deno.readDir(join(staging, prefix))).catch(() => []);
    items.sort((one, other) => Number(one.isFile) - Number(other.isFile));
    for (const { name } of items) {
      const place = join(to, name);
      if (await isThere(place)) await Deno.rename(place, `${place}.${stampOf(now())}`);
      await move(join(staging, prefix, name), place);
    }
  }
}

/** What a place outside the home has of the names that are restored there. */
async function takenElsewhere(manifest: Manifest, staging: string): Promise<string | null> {
  for (const { prefix, path } of manifest.places) {
    if (prefix === "home") continue;
    const items = await Array.fromAsync(Deno.readDir(join(staging, prefix))).catch(() => []);
    for (const { name } of items) if (await isThere(join(path, name))) return join(path, name);
  }
  return null;
}

/** Also onto another disk. */
async function move(from: string, to: string): Promise<void> {
  try {
    await Deno.rename(from, to);
  } catch (error) {
    if ((error as { code?: string }).code !== "EXDEV") throw error;
    await copy(from, to);
    await Deno.remove(from, { recursive: true });
  }
}

async function copy(from: string, to: string): Promise<void> {
  const { isDirectory, mode } = await Deno.stat(from);
  if (!isDirectory) await Deno.copyFile(from, to);
  else {
    await Deno.mkdir(to, { mode: mode! & 0o777 });
    for await (const { name } of Deno.readDir(from)) await copy(join(from, name), join(to, name));
  }
}

function isThere(path: string): Promise<boolean> {
  return Deno.lstat(path).then(() => true, () => false);
}

function stampOf(now: number): string {
  return new Date(now).toISOString().replaceAll(":", "-");
}

/** What the readers of gzip, tar and age say of bytes that are not whole. */
function asDamage(error: unknown, path: string): unknown {
  if (error instanceof KhachapuriError || (error as { code?: string }).code !== undefined) {
    return error;
  }
  return damaged(path, "it is damaged, or ends too early", error);
}

function damaged(path: string, why: string, cause?: unknown): KhachapuriError {
  return new KhachapuriError("invalid_input", `${path} is no whole backup: ${why}`, {
    hints: ["nothing was changed: take another copy of it"],
    cause,
  });
}

/**
 * What of a provider's machine a backup holds: all of its home and its state but for what follows
 * from the rest, so that a file which a later release adds is in it without a word here.
 */
import { basename, dirname, isAbsolute, join, relative } from "node:path";
import { type Config, requireProvider, resolveFromHome } from "../../config.ts";

/** A folder that is in a backup, under a name of its own. */
export interface Place {
  /** The first part of its files' names in the archive. */
  readonly prefix: string;
  /** Where it was, absolute. */
  readonly path: string;
}

/** A file, as it is found and as it is named in the archive. */
export interface Found {
  readonly path: string;
  readonly name: string;
  /** Permission bits. */
  readonly mode: number;
}

/** Below the state: made again by use. */
const DERIVED_STATE = ["cache", "programs", "programs.left", "etc", "sockets"];
/** Below the home: what the command's own file unpacks, and what a restore put aside. */
const DERIVED_HOME = ["cache", ".cache", "before-restore"];
/** What owners have pushed: as large as the provider allows, and to be had from its gateways. */
const CONTENT = "kept";
/**
 * Of processes, not of what they keep. A database's log is in its copy; the ledger's ballast is
 * room on the disk, taken anew by each start.
 */
const TRANSIENT = /(?:^lock|^control\.(?:sock|at)|\.lock|-wal|-shm|-ballast|\.partial)$/;
/** Behind the names of folders that a successor has of its own, and of the mark beside a copy. */
const OF_A_PROCESS = /(?:\.[1-9][0-9]*)?(?:\.mark)?$/;
/** Folders that a backup, and a restore, work in: one that is killed leaves its own. */
export const SCRATCH_PREFIX = ".backup-";
export const STAGING_PREFIX = ".restoring-";
/** What is still being written, or was left so: `home_file.ts` names it after a random number. */
const HALF_WRITTEN = /\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The home, and what its configuration names elsewhere. */
export function placesOf(config: Config): Place[] {
  const provider = requireProvider(config);
  const state = resolveFromHome(config, provider.stateDir);
  const keys = dirname(resolveFromHome(config, provider.keyFile));
  const places: Place[] = [{ prefix: "home", path: config.home }];
  if (!isWithin(state, config.home)) places.push({ prefix: "state", path: state });
  if (!isWithin(keys, config.home)) places.push({ prefix: "keys", path: keys });
  return places;
}

function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return !isAbsolute(way) && way !== ".." && !way.startsWith("../");
}

/** Whether a file or folder of a place belongs into a backup. */
export type Belongs = (path: string) => boolean;

/** @param withContent whether what owners have pushed is to be in it */
export function belongsTo(config: Config, withContent: boolean): Belongs {
  const provider = requireProvider(config);
  const state = resolveFromHome(config, provider.stateDir);
  const keyFile = resolveFromHome(config, provider.keyFile);
  const derived = new Set([
    ...DERIVED_HOME.map((name) => join(config.home, name)),
    ...DERIVED_STATE.map((name) => join(state, name)),
    ...(withContent ? [] : [join(state, CONTENT)]),
  ]);
  const isStrangersFolder = !isWithin(dirname(keyFile), config.home);
  return (path) => {
    if (derived.has(path.replace(OF_A_PROCESS, "")) || TRANSIENT.test(basename(path))) return false;
    // Of a folder that only the key file is said to be in, nothing else is ours.
    if (isStrangersFolder && dirname(path) === dirname(keyFile)) {
      return basename(path).startsWith(basename(keyFile));
    }
    const isWork = [SCRATCH_PREFIX, STAGING_PREFIX].some((each) => basename(path).startsWith(each));
    return !isWork && !HALF_WRITTEN.test(basename(path));
  };
}

/** Of what belongs into a backup, what is in `folder`, without a look at the rest. */
export function within(folder: string, belongs: Belongs): Belongs {
  return (path) => (isWithin(path, folder) || isWithin(folder, path)) && belongs(path);
}

/**
 * Every plain file of a place that belongs into a backup, sorted. Links are not followed: what they
 * lead to may be anybody's.
 */
export async function* filesIn(place: Place, belongs: Belongs): AsyncGenerator<Found> {
  yield* filesBelow(place.path, place.prefix, belongs);
}

async function* filesBelow(folder: string, name: string, belongs: Belongs): AsyncGenerator<Found> {
  const items = await Array.fromAsync(Deno.readDir(folder));
  items.sort((one, other) => one.name < other.name ? -1 : 1);
  for (const item of items) {
    const path = join(folder, item.name);
    if (!belongs(path)) continue;
    if (item.isDirectory) yield* filesBelow(path, `${name}/${item.name}`, belongs);
    if (!item.isFile) continue;
    const info = await Deno.stat(path).catch(() => null);
    // Gone since the folder was read.
    if (info) yield { path, name: `${name}/${item.name}`, mode: info.mode! & 0o777 };
  }
}

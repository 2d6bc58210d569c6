/**
 * What the packaged file unpacks: a folder of some 100 MB for each version, named by its digest, in
 * the user's cache. Each process holds its own; upgrades would pile up the others, so those that
 * nobody uses go, but for the last one, which a way back starts from.
 */
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Made by the stub (tools/package.ts); locked by whoever runs from its folder. */
const HOLD = "in-use";
const VERSION_FOLDER = /^[0-9a-f]{64}$/;
/** What a stub that was killed left half-made, and what we were removing when we ended. */
const HALF_MADE = /^\.fresh\./;
const GIVEN_UP = /^\.gone\./;
/** For so long nobody has started from a folder that goes: a start takes its lock late. */
const UNUSED_MS = 60 * 60 * 1_000;

/** The folder that this process runs from; null where it is not one that the stub made. */
export function ownFolder(mainModule: string): string | null {
  if (!mainModule.startsWith("file:")) return null;
  const path = fileURLToPath(mainModule);
  const dir = dirname(dirname(path));
  const isBundle = path === join(dir, "app", "main.js");
  return isBundle && VERSION_FOLDER.test(basename(dir)) ? dir : null;
}

/**
 * Holds this process's own folder until it ends, however it ends, and begins to remove others.
 * Nothing of it may keep a command from its work.
 */
export function tendUnpacked(mainModule: string): void {
  const own = ownFolder(mainModule);
  if (own === null) return;
  try {
    hold(own);
  } catch {
    // A cache that is read only keeps what it has.
    return;
  }
  removeUnused(own, Date.now()).catch(() => {});
}

/** Never closed: the kernel lets go of it with the process. */
let held: Deno.FsFile | undefined;

function hold(own: string): void {
  const path = join(own, HOLD);
  held = Deno.openSync(path, { read: true, write: true, create: true });
  held.lockSync(false);
  const now = new Date();
  Deno.utimeSync(path, now, now);
}

/**
 * Removes the versions that no process holds and none has started from lately, but the last one
 * before this.
 * @param own the folder that stays
 * @param now Unix time, ms
 */
export async function removeUnused(own: string, now: number): Promise<void> {
  const base = dirname(own);
  const others: { name: string; usedMs: number }[] = [];
  for await (const { name, isDirectory } of Deno.readDir(base)) {
    if (!isDirectory || name === basename(own)) continue;
    if (GIVEN_UP.test(name)) await removeFolder(join(base, name));
    const usedMs = await usedAt(base, name);
    if (usedMs === null) continue;
    if (VERSION_FOLDER.test(name)) others.push({ name, usedMs });
    else if (HALF_MADE.test(name) && now - usedMs > UNUSED_MS) await removeFolder(join(base, name));
  }
  const [, ...older] = others.sort((a, b) => b.usedMs - a.usedMs);
  for (const { name, usedMs } of older) {
    if (now - usedMs > UNUSED_MS) await giveUp(base, name);
  }
}

/** When somebody last started from a version, or a half-made one was made; null: it is not ours. */
async function usedAt(base: string, name: string): Promise<number | null> {
  const path = VERSION_FOLDER.test(name) ? join(base, name, HOLD) : join(base, name);
  const info = await Deno.lstat(path).catch(() => null);
  return info?.mtime?.getTime() ?? null;
}

/** Renamed first: nobody finds a version of which a part is missing. */
async function giveUp(base: string, name: string): Promise<void> {
  using file = await Deno.open(join(base, name, HOLD), { read: true, write: true });
  if (!await file.tryLock(true)) return;
  const gone = join(base, `.gone.${crypto.randomUUID()}`);
  await Deno.rename(join(base, name), gone);
  await removeFolder(gone);
}

/** Another process may be removing it as well. */
async function removeFolder(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch(() => {});
}

/** Links in a copy of /etc: each leads to something that programs see, or is not there. */
import { dirname, join, resolve } from "node:path";

/** What programs see of the machine besides /etc. */
const SHOWN = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/dev/null"];

/** Theirs is not ours, into which the runtime's permissions do not let us look. */
const ALWAYS = ["/proc/self/", "/proc/mounts"];

export interface EtcCopy {
  /** Absolute path of the copy. */
  copy: string;
  /** What it is a copy of. */
  root: string;
}

/** Whether a program finds something at this path outside /etc. */
export async function isVisible(path: string): Promise<boolean> {
  if (ALWAYS.some((always) => path.startsWith(always))) return true;
  if (!SHOWN.some((shown) => path === shown || path.startsWith(`${shown}/`))) return false;
  return await Deno.stat(path).then(() => true, () => false);
}

/**
 * Keeps the links whose target was copied or is visible, points those that get there by a detour
 * straight at it, and removes the others; again and again, as links lead to links. One after the
 * other: hundreds of them at once (/etc/ssl/certs) make V8 grow its young generation, which a
 * provider then keeps (`deno task bench hot`, "idle RSS").
 */
export async function settleLinks(etc: EtcCopy): Promise<void> {
  let links = await linksBelow(etc.copy);
  for (let before = Infinity; links.length < before;) {
    before = links.length;
    const kept: string[] = [];
    for (const path of links) if (await settle(etc, path)) kept.push(path);
    links = kept;
  }
}

/** False when the link is gone. */
async function settle({ copy, root }: EtcCopy, path: string): Promise<boolean> {
  const original = join(root, path.slice(copy.length));
  const target = resolve(dirname(original), await Deno.readLink(path));
  if (await isThere({ copy, root }, target) || await isVisible(target)) return true;
  await Deno.remove(path);
  const end = await Deno.realPath(original).catch(() => "");
  if (!await isVisible(end)) return false;
  await Deno.symlink(end, path);
  return true;
}

async function isThere({ copy, root }: EtcCopy, target: string): Promise<boolean> {
  if (!target.startsWith(`${root}/`)) return false;
  return await Deno.lstat(join(copy, target.slice(root.length))).then(() => true, () => false);
}

async function linksBelow(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isSymlink, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isSymlink) found.push(path);
    else if (isDirectory) found.push(...await linksBelow(path));
  }
  return found;
}

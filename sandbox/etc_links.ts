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
export function isVisible(path: string): boolean {
  if (ALWAYS.some((always) => path.startsWith(always))) return true;
  if (!SHOWN.some((shown) => path === shown || path.startsWith(`${shown}/`))) return false;
  return succeeds(() => Deno.statSync(path));
}

/**
 * Keeps the links whose target was copied or is visible, points those that get there by a detour
 * straight at it, and removes the others; again and again, as links lead to links.
 */
export function settleLinks(etc: EtcCopy): void {
  let links = linksBelow(etc.copy);
  for (let before = Infinity; links.length < before;) {
    before = links.length;
    links = links.filter((path) => settle(etc, path));
  }
}

/** False when the link is gone. */
function settle({ copy, root }: EtcCopy, path: string): boolean {
  const original = join(root, path.slice(copy.length));
  const target = resolve(dirname(original), Deno.readLinkSync(path));
  if (isThere({ copy, root }, target) || isVisible(target)) return true;
  Deno.removeSync(path);
  if (!succeeds(() => Deno.statSync(original))) return false;
  const end = Deno.realPathSync(original);
  if (!isVisible(end)) return false;
  Deno.symlinkSync(end, path);
  return true;
}

function isThere({ copy, root }: EtcCopy, target: string): boolean {
  if (!target.startsWith(`${root}/`)) return false;
  return succeeds(() => Deno.lstatSync(join(copy, target.slice(root.length))));
}

function succeeds(look: () => unknown): boolean {
  try {
    look();
    return true;
  } catch {
    return false;
  }
}

function linksBelow(folder: string): string[] {
  const found: string[] = [];
  for (const { name, isSymlink, isDirectory } of Deno.readDirSync(folder)) {
    const path = join(folder, name);
    if (isSymlink) found.push(path);
    else if (isDirectory) found.push(...linksBelow(path));
  }
  return found;
}

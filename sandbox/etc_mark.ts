/**
 * Whether a copy of /etc is still what a new one would be. Only inodes are looked at, which takes a
 * tenth of the time of copying.
 */
import { createHash, type Hash } from "node:crypto";

/** How much of what lies at a path below /etc is copied. */
export type Wants = (path: readonly string[]) => "all" | "some" | "none";

const ALL: Wants = () => "all";

/**
 * One hash of what a copy is made of: names, kinds, modes, sizes, times, and where links end. It
 * is another one whenever a file was changed, also by whoever sets its time back: nobody sets the
 * time of an inode's change.
 * @throws Deno.errors.NotFound when a file goes meanwhile
 */
export function markOfMachine(root: string, wants: Wants): string {
  const hash = createHash("sha256");
  addFolder(hash, root, [], wants, addOriginal);
  return hash.digest("hex");
}

/**
 * One hash of a copy as it lies there: a fault of the disk may have emptied files of it.
 * @throws Deno.errors.NotFound when it does not
 */
export function markOfCopy(folder: string): string {
  const hash = createHash("sha256");
  addFolder(hash, folder, [], ALL, addCopied);
  return hash.digest("hex");
}

type Add = (hash: Hash, path: string, kind: Deno.DirEntry, isWhole: boolean) => void;

function addFolder(hash: Hash, folder: string, at: readonly string[], wants: Wants, add: Add) {
  const entries = [...Deno.readDirSync(folder)];
  for (const entry of entries.sort((one, other) => one.name < other.name ? -1 : 1)) {
    const below = [...at, entry.name];
    const wanted = wants(below);
    if (wanted === "none") continue;
    const path = `${folder}/${entry.name}`;
    hash.update(`${below.join("/")}\0`);
    add(hash, path, entry, wanted === "all");
    const ofFolder = wanted === "all" ? ALL : wants;
    if (entry.isDirectory) addOpenFolder(hash, path, below, ofFolder, add);
  }
}

/** Of a folder that is closed to us nothing is copied. */
function addOpenFolder(hash: Hash, folder: string, at: readonly string[], wants: Wants, add: Add) {
  try {
    addFolder(hash, folder, at, wants, add);
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
  }
}

/** A link that is made anew changes its folder's time; so where it ends is all that is asked. */
function addOriginal(hash: Hash, path: string, entry: Deno.DirEntry, isWhole: boolean): void {
  if (entry.isSymlink) return void hash.update(`${endOf(path)}\0`);
  const { mode, size, mtime, ctime } = Deno.lstatSync(path);
  const hasTimes = entry.isFile || isWhole;
  const times = hasTimes ? `${size} ${mtime?.getTime()} ${ctime?.getTime()}` : "";
  hash.update(`${mode} ${times}\0`);
}

function addCopied(hash: Hash, path: string, entry: Deno.DirEntry): void {
  if (entry.isSymlink) return void hash.update("link\0");
  const { mode, size } = Deno.lstatSync(path);
  hash.update(`${mode} ${entry.isFile ? size : ""}\0`);
}

function endOf(link: string): string {
  try {
    return Deno.realPathSync(link);
  } catch {
    return "";
  }
}

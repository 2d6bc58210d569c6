/** Programs' folders as values: written to disk, and read from it, to compare. */
import { dirname, join } from "node:path";

/** What lies at each path; a folder only where nothing lies in it. */
export type ProgramTree = ReadonlyMap<string, TreeItem>;

export type TreeItem =
  | { readonly kind: "file"; readonly bytes: Uint8Array<ArrayBuffer>; readonly executable: boolean }
  | { readonly kind: "link"; readonly to: string }
  | { readonly kind: "folder" };

/** How a tree comes to be on disk, which is to make no difference. */
export interface Circumstances {
  /** Of files that are executable, and of the others. */
  readonly modes: readonly [executable: number, plain: number];
  /** Unix seconds. */
  readonly mtime: number;
  readonly isBackwards: boolean;
}

export const USUAL: Circumstances = { modes: [0o755, 0o644], mtime: 1e9, isBackwards: false };

export async function writeTree(
  dir: string,
  tree: ProgramTree,
  { modes, mtime, isBackwards }: Circumstances = USUAL,
): Promise<void> {
  await Deno.mkdir(dir, { recursive: true });
  const items = isBackwards ? [...tree].reverse() : [...tree];
  for (const [path, item] of items) {
    const at = join(dir, path);
    await Deno.mkdir(dirname(at), { recursive: true });
    if (item.kind === "folder") await Deno.mkdir(at, { recursive: true });
    if (item.kind === "link") await Deno.symlink(item.to, at);
    if (item.kind !== "file") continue;
    await Deno.writeFile(at, item.bytes);
    await Deno.chmod(at, modes[item.executable ? 0 : 1]);
    await Deno.utime(at, mtime, mtime);
  }
}

/** A tree as lines that tell all of it, sorted. */
export function linesOf(tree: ProgramTree): string[] {
  return [...tree].map(([path, item]) => {
    if (item.kind === "folder") return `${path}/`;
    if (item.kind === "link") return `${path} -> ${item.to}`;
    return `${path}${item.executable ? "*" : ""} ${item.bytes.toHex()}`;
  }).sort();
}

export async function readTree(dir: string): Promise<ProgramTree> {
  const tree = new Map<string, TreeItem>();
  const read = async (folder: string) => {
    const before = tree.size;
    for await (const item of Deno.readDir(join(dir, folder))) {
      const path = join(folder, item.name);
      if (item.isDirectory) await read(path);
      else tree.set(path, await itemAt(join(dir, path), item));
    }
    if (folder !== "" && tree.size === before) tree.set(folder, { kind: "folder" });
  };
  await read("");
  return tree;
}

async function itemAt(path: string, { isSymlink }: Deno.DirEntry): Promise<TreeItem> {
  if (isSymlink) return { kind: "link", to: await Deno.readLink(path) };
  const { mode } = await Deno.stat(path);
  const executable = ((mode ?? 0) & 0o111) !== 0;
  return { kind: "file", bytes: await Deno.readFile(path), executable };
}

const text = (content: string, executable = false): TreeItem => ({
  kind: "file",
  bytes: new TextEncoder().encode(content),
  executable,
});

/** One of everything; its cid is known to a test. */
export const SAMPLE_TREE: ProgramTree = new Map<string, TreeItem>([
  ["main", text('#!/bin/sh\nexec ./lib/tool "$@"\n', true)],
  ["lib/tool", { kind: "link", to: "../10/ხაჭა პური" }],
  ["10/ხაჭა პური", text("#!/bin/sh\necho hi\n", true)],
  ["9", text("nine")],
  ["__proto__", text("{}")],
  ["data/empty", text("")],
  ["data/much", text("all work and no play\n".repeat(5_000))],
  ["spool", { kind: "folder" }],
]);

/** The project's documents: every Markdown file of its sources. */
import { join, relative } from "node:path";
import type { Document } from "./links.ts";

const NOT_OURS: ReadonlySet<string> = new Set(["node_modules", "dist", "out", "cache"]);

/** Those below `root`, by path. */
export async function readDocuments(root: string): Promise<Document[]> {
  const paths = await Array.fromAsync(markdownBelow(root));
  return await Promise.all(
    paths.sort().map(async (path) => ({
      path: relative(root, path),
      text: await Deno.readTextFile(path),
    })),
  );
}

async function* markdownBelow(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory, isFile } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (name.startsWith(".") || NOT_OURS.has(name)) continue;
    if (isDirectory) yield* markdownBelow(path);
    if (isFile && name.endsWith(".md")) yield path;
  }
}

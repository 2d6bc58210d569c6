/**
 * `deno task site`: the documents as a static site in dist/site, by VitePress, with a search that
 * runs in the reader's browser. It fails on a dead link. VitePress is a hundred packages that
 * nothing else here needs: it is installed into .cache/site, and deno.lock knows none of them.
 */
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { readDocuments } from "./documents.ts";
import { slugOf } from "./links.ts";
import { print, stop } from "./print.ts";
import { runQuietly } from "./quiet.ts";
import { MENU, pagesOf, titleOf } from "./site_pages.ts";

const ROOT = join(import.meta.dirname!, "..");
const FOLDER = join(ROOT, ".cache/site");
const VITEPRESS = "vitepress@1.6.4";

async function install(): Promise<void> {
  const record = join(FOLDER, "installed");
  if (await Deno.readTextFile(record).catch(() => "") === VITEPRESS) return;
  await Deno.mkdir(FOLDER, { recursive: true });
  await Deno.writeTextFile(join(FOLDER, "package.json"), '{ "private": true, "type": "module" }\n');
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const { isDone, said } = await runQuietly("npm", [
    "--prefix",
    FOLDER,
    "install",
    VITEPRESS,
    ...quiet,
  ]);
  if (!isDone) stop([`site: ${VITEPRESS} is not installed; is the npm registry reachable?`, said]);
  await Deno.writeTextFile(record, VITEPRESS);
}

/** Lays the pages out. @param base the path under which the site is served */
async function layOut(base: string): Promise<void> {
  const pages = join(FOLDER, "pages");
  await Deno.remove(pages, { recursive: true }).catch(() => {});
  const documents = await readDocuments(ROOT);
  const place = async (path: string, text: string) => {
    await Deno.mkdir(dirname(join(pages, path)), { recursive: true });
    await Deno.writeTextFile(join(pages, path), text);
  };
  for (const { path, text } of pagesOf(documents, readSource)) await place(path, text);
  const titles = new Map(documents.map((document) => [document.path, titleOf(document)]));
  const sidebar = MENU.map(({ text, items }) => ({
    text,
    items: items.map((path) => ({ text: titles.get(path), link: linkOf(path) })),
  }));
  const config = {
    base,
    title: "Khachapuri",
    description: "Compute over IPFS, paid in USDC",
    cleanUrls: true,
    rewrites: { "README.md": "index.md" },
    outDir: join(ROOT, "dist/site"),
    cacheDir: join(FOLDER, "cache"),
    themeConfig: { sidebar, outline: [2, 3], search: { provider: "local" } },
  };
  await place(
    ".vitepress/config.mjs",
    `const slugify = ${slugOf};\n` +
      `export default { ...${JSON.stringify(config, null, 2)}, ` +
      "markdown: { anchor: { slugify }, toc: { slugify } } };\n",
  );
}

function linkOf(path: string): string {
  return path === "README.md" ? "/" : `/${path.replace(/\.md$/, "")}`;
}

function readSource(path: string): string | null {
  try {
    return Deno.readTextFileSync(join(ROOT, path));
  } catch {
    return null;
  }
}

async function build(): Promise<void> {
  const command = join(FOLDER, "node_modules/vitepress/bin/vitepress.js");
  const { isDone, said } = await runQuietly("node", [command, "build", join(FOLDER, "pages")]);
  if (!isDone) stop(["site: it was not built", said]);
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: { base: { type: "string", default: "/" } },
  });
  await install();
  await layOut(values.base);
  await build();
  const files = await Array.fromAsync(Deno.readDir(join(ROOT, "dist/site/docs")));
  print(`dist/site  ${files.length} pages of docs, base ${values.base}`);
}

/**
 * `deno task package:npm [FOLDER]`: the npm package of packages/x402-credits, as a folder and the
 * .tgz that `npm publish` takes. Our own sources, and valibot's parts that they use, become one
 * file of JavaScript that imports viem alone and nothing of any runtime, and a small one beside it
 * that wants files. No npm is needed for it.
 */
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import manifest from "../deno.json" with { type: "json" };
import { print, stop } from "./print.ts";

const ROOT = join(import.meta.dirname!, "..");
const SOURCE = join(ROOT, "packages/x402-credits");

/** What is taken as it lies there, and under which name. */
const COPIED: Readonly<Record<string, string>> = {
  "README.md": join(SOURCE, "README.md"),
  "index.d.ts": join(SOURCE, "index.d.ts"),
  "file.d.ts": join(SOURCE, "file.d.ts"),
  "LICENSE": join(ROOT, "LICENSE"),
  // Its terms: the notice goes along with the parts that are bundled.
  "LICENSE-valibot": join(ROOT, "node_modules/valibot/LICENSE.md"),
};

/** What is built of which source, and what that may import when it is loaded. */
const BUILT: readonly { name: string; entry: string; may: RegExp }[] = [
  { name: "index.js", entry: "index.ts", may: /^viem(?:\/|$)/ },
  { name: "file.js", entry: "src/file_store.ts", may: /^node:fs\/promises$/ },
];

async function bundle(path: string, entry: string): Promise<void> {
  const flags = ["--quiet", "--frozen", "--platform", "browser", "--packages", "bundle"];
  const outside = ["--external", "viem", "--external", "viem/*", "--external", "node:*"];
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", ...flags, ...outside, "-o", path, join(SOURCE, entry)],
    cwd: ROOT,
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  if (code !== 0) stop([`package:npm: deno bundle failed with exit code ${code}`]);
}

/** What the bundle imports when it is loaded. */
export function importsAtLoad(code: string): string[] {
  const imports = code.matchAll(/^(?:import|export)\b[^"';]*\bfrom "([^"]+)"|^import "([^"]+)"/gm);
  return [...new Set([...imports].map(([, from, bare]) => (from ?? bare)!))];
}

/**
 * Builds the package into `folder`, below `package`, and its archive beside that.
 * @returns the archive's path and size, and that of the code in it
 */
export async function buildNpmPackage(
  folder: string,
): Promise<{ path: string; bytes: number; codeBytes: number }> {
  const inner = join(folder, "package");
  await Deno.remove(inner, { recursive: true }).catch(() => {});
  await Deno.mkdir(inner, { recursive: true });
  let codeBytes = 0;
  for (const { name, entry, may } of BUILT) {
    await bundle(join(inner, name), entry);
    const code = await Deno.readTextFile(join(inner, name));
    const others = importsAtLoad(code).filter((each) => !may.test(each));
    if (others.length > 0) stop([`package:npm: ${name} wants ${others.join(", ")}`]);
    codeBytes += code.length;
  }
  for (const [name, from] of Object.entries(COPIED)) await Deno.copyFile(from, join(inner, name));
  const described = JSON.parse(await Deno.readTextFile(join(SOURCE, "package.json")));
  described.version = manifest.version;
  await Deno.writeTextFile(join(inner, "package.json"), JSON.stringify(described, null, 2) + "\n");
  const path = join(folder, `khachapuri-x402-credits-${manifest.version}.tgz`);
  const archive = gzipSync(await tar(folder), { level: 9 });
  await Deno.writeFile(path, archive);
  return { path, bytes: archive.length, codeBytes };
}

/** The same bytes from the same sources. */
async function tar(folder: string): Promise<Uint8Array> {
  const timeless = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"];
  const { code, stdout } = await new Deno.Command("tar", {
    args: ["--format=ustar", "--mode=u=rwX,go=rX", ...timeless, "-cf", "-", "package"],
    cwd: folder,
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).output();
  if (code !== 0) stop([`package:npm: tar failed with exit code ${code}`]);
  return stdout;
}

if (import.meta.main) {
  const { path, bytes, codeBytes } = await buildNpmPackage(Deno.args[0] ?? join("dist", "npm"));
  const kb = (size: number) => (size / 1_000).toFixed(1);
  print(`${path}  ${kb(bytes)} kB, ${kb(codeBytes)} kB of code`);
}

/**
 * Builds the native helper into `.cache/init/` with Debian's musl-gcc, and as modules that carry it
 * and its digest, so that bundles and compiled binaries need nothing beside them.
 * Run as `deno run --allow-read --allow-write=.cache --allow-run=musl-gcc sandbox/build.ts`.
 */
import { KhachapuriError } from "../lib/errors.ts";
import { sha256 } from "./sha256.ts";

const SOURCES = new URL("init/", import.meta.url);
const TARGET = new URL("../.cache/init/", import.meta.url);
const MODULE = new URL("init_base64.ts", TARGET);
const DIGEST_MODULE = new URL("init_digest.ts", TARGET);

const FLAGS = [
  "-std=c11",
  "-D_GNU_SOURCE",
  "-Os",
  "-static",
  "-s",
  "-fstack-protector-strong",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-Wconversion",
  "-Wshadow",
  "-fno-ident",
  "-Wl,--build-id=none",
  // musl brings no kernel headers; Debian's linux-libc-dev does.
  "-idirafter",
  "/usr/include/x86_64-linux-gnu",
  "-idirafter",
  "/usr/include",
];

/** Whether the last result is of the sources as they are. */
export async function isInitBuilt(): Promise<boolean> {
  return await isBuiltFrom(await sourceDigest(await sourceNames()));
}

async function isBuiltFrom(sources: string): Promise<boolean> {
  for (const module of [MODULE, DIGEST_MODULE]) {
    const text = await Deno.readTextFile(module).catch(() => "");
    if (!text.startsWith(headOf(sources))) return false;
  }
  return true;
}

/** The first line of what is made of the sources with this digest. */
function headOf(sources: string): string {
  return `// ${sources}\n`;
}

async function sourceNames(): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(SOURCES)) names.push(name);
  return names.sort();
}

/**
 * Compiles when a source is newer than the last result.
 * @returns true when it compiled
 * @throws KhachapuriError `sandbox_unavailable` when the compiler is missing or refuses
 */
export async function buildInit(): Promise<boolean> {
  const sources = await sourceNames();
  const digest = await sourceDigest(sources);
  if (await isBuiltFrom(digest)) return false;
  const binary = new URL("khachapuri-init", TARGET);
  await Deno.mkdir(TARGET, { recursive: true });
  const fresh = `${binary.pathname}.new`;
  const files = sources.filter((name) => name.endsWith(".c"));
  await compile([...FLAGS, "-o", fresh, ...files.map((name) => new URL(name, SOURCES).pathname)]);
  const bytes = await Deno.readFile(fresh);
  await Deno.rename(fresh, binary);
  await writeConstant(MODULE, digest, "INIT_BASE64", bytes.toBase64());
  await writeConstant(DIGEST_MODULE, digest, "INIT_SHA256", await sha256(bytes));
  return true;
}

async function writeConstant(
  module: URL,
  sources: string,
  name: string,
  value: string,
): Promise<void> {
  await Deno.writeTextFile(module, `${headOf(sources)}export const ${name} =\n  "${value}";\n`);
}

async function sourceDigest(names: readonly string[]): Promise<string> {
  const parts = [FLAGS.join(" ")];
  for (const name of names) parts.push(await Deno.readTextFile(new URL(name, SOURCES)));
  return await sha256(new TextEncoder().encode(parts.join("\0")));
}

async function compile(args: string[]): Promise<void> {
  const hints = ["apt-get install musl-tools linux-libc-dev"];
  const output = await new Deno.Command("musl-gcc", { args, stderr: "piped" }).output()
    .catch((cause) => {
      throw new KhachapuriError("sandbox_unavailable", "musl-gcc is missing", { hints, cause });
    });
  if (output.success) return;
  const said = new TextDecoder().decode(output.stderr);
  throw new KhachapuriError("sandbox_unavailable", `the sandbox helper did not compile: ${said}`, {
    hints,
  });
}

if (import.meta.main) await buildInit();

/**
 * Builds the native helper into `.cache/init/` with Debian's musl-gcc, and as modules that carry it
 * and its digest, so that bundles and compiled binaries need nothing beside them. For another
 * machine than this one it is cross-built (cross.ts) into a folder below, named like that machine.
 * Run as `deno run --allow-read --allow-write=.cache --allow-run sandbox/build.ts [MACHINE]`.
 */
import { KhachapuriError } from "../lib/errors.ts";
import { CROSS_KERNEL_HEADERS, crossCompile } from "./cross.ts";
import { type Machine, MACHINES, ownMachine } from "./machine.ts";
import { sha256 } from "./sha256.ts";

const SOURCES = new URL("init/", import.meta.url);
const TARGET = new URL("../.cache/init/", import.meta.url);

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
];

/** By default arm64's libgcc asks glibc, at the start, which atomic instructions there are. */
const FLAGS_OF: Record<Machine, readonly string[]> = {
  x86_64: [],
  aarch64: ["-mno-outline-atomics"],
};

function flagsFor(machine: Machine): string[] {
  const own = [`/usr/include/${machine}-linux-gnu`, "/usr/include"];
  // musl brings no kernel headers; Debian's linux-libc-dev does.
  const headers = (machine === ownMachine() ? own : [CROSS_KERNEL_HEADERS])
    .flatMap((folder) => ["-idirafter", folder]);
  return [...FLAGS, ...FLAGS_OF[machine], ...headers];
}

/** What is built for one machine, and where. */
export interface Built {
  /** The helper. */
  binary: URL;
  /** It, as a module. */
  module: URL;
  digestModule: URL;
}

/** This machine's own stand where the sources import them. */
export function builtFor(machine: Machine): Built {
  const folder = machine === ownMachine() ? TARGET : new URL(`${machine}/`, TARGET);
  return {
    binary: new URL("khachapuri-init", folder),
    module: new URL("init_base64.ts", folder),
    digestModule: new URL("init_digest.ts", folder),
  };
}

/** Whether the last result is of the sources as they are. */
export async function isInitBuilt(machine: Machine = ownMachine()): Promise<boolean> {
  return await isBuiltFrom(builtFor(machine), await sourceDigest(machine, await sourceNames()));
}

async function isBuiltFrom({ module, digestModule }: Built, sources: string): Promise<boolean> {
  for (const each of [module, digestModule]) {
    const text = await Deno.readTextFile(each).catch(() => "");
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
export async function buildInit(machine: Machine = ownMachine()): Promise<boolean> {
  const sources = await sourceNames();
  const digest = await sourceDigest(machine, sources);
  const { binary, module, digestModule } = builtFor(machine);
  if (await isBuiltFrom(builtFor(machine), digest)) return false;
  await Deno.mkdir(new URL(".", binary), { recursive: true });
  const fresh = `${binary.pathname}.new`;
  const files = sources.filter((name) => name.endsWith(".c"));
  const paths = files.map((name) => new URL(name, SOURCES).pathname);
  await compile(machine, [...flagsFor(machine), "-o", fresh, ...paths]);
  const bytes = await Deno.readFile(fresh);
  await Deno.rename(fresh, binary);
  await writeConstant(module, digest, "INIT_BASE64", bytes.toBase64());
  await writeConstant(digestModule, digest, "INIT_SHA256", await sha256(bytes));
  return true;
}

/**
 * A bundle of ours for another machine: it carries that machine's helper in place of ours.
 * @param bundle JavaScript that was bundled from the sources on this machine
 * @throws KhachapuriError `internal` when it carries ours more than once
 */
export async function bundleFor(machine: Machine, bundle: string): Promise<string> {
  const [ours, theirs] = [builtFor(ownMachine()), builtFor(machine)];
  let text = bundle;
  for (const each of ["module", "digestModule"] as const) {
    const own = await readConstant(ours[each]);
    // Code that never starts a sandbox has been bundled without them.
    const parts = text.split(own);
    if (parts.length > 2) {
      throw new KhachapuriError(
        "internal",
        `the bundle carries the helper ${parts.length - 1} times`,
      );
    }
    text = parts.join(await readConstant(theirs[each]));
  }
  return text;
}

async function readConstant(module: URL): Promise<string> {
  const text = await Deno.readTextFile(module);
  const [, value] = text.match(/"([^"]+)";\n$/) ?? [];
  if (value !== undefined) return value;
  throw new KhachapuriError("internal", `${module.pathname} holds no constant`);
}

async function writeConstant(
  module: URL,
  sources: string,
  name: string,
  value: string,
): Promise<void> {
  await Deno.writeTextFile(module, `${headOf(sources)}export const ${name} =\n  "${value}";\n`);
}

async function sourceDigest(machine: Machine, names: readonly string[]): Promise<string> {
  const parts = [flagsFor(machine).join(" ")];
  for (const name of names) parts.push(await Deno.readTextFile(new URL(name, SOURCES)));
  return await sha256(new TextEncoder().encode(parts.join("\0")));
}

async function compile(machine: Machine, args: string[]): Promise<void> {
  const own = ownMachine();
  if (machine !== own && own !== "x86_64") {
    throw new KhachapuriError("sandbox_unavailable", `${machine}'s helper is not built on ${own}`, {
      hints: ["build both on x86-64, whose compiler for arm64 Debian brings"],
    });
  }
  if (machine !== own) return await crossCompile(args);
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

if (import.meta.main) {
  const machine = MACHINES.find((each) => each === Deno.args[0]) ?? ownMachine();
  await buildInit(machine);
}

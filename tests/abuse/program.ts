/** The attacking programs (C, in this folder), built once for each test run. */
import { KhachapuriError } from "../../lib/errors.ts";

const FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-static", "-Wall", "-Wextra", "-Werror"];
const KERNEL_HEADERS = ["/usr/include/x86_64-linux-gnu", "/usr/include"]
  .flatMap((folder) => ["-idirafter", folder]);
const SOURCES = ["main.c", "files.c", "kernel.c", "process.c", "network.c", "egress.c"];
const SERVER_SOURCES = ["", "_plain", "_lies", "_freeze", "_reach"].map((of) => `server${of}.c`);

/** @throws KhachapuriError `internal` with what the compiler said */
export function buildAbuse(): Promise<Uint8Array<ArrayBuffer>> {
  return build(SOURCES);
}

/** The one that is a server. @throws KhachapuriError `internal` with what the compiler said */
export function buildServer(): Promise<Uint8Array<ArrayBuffer>> {
  return build(SERVER_SOURCES);
}

async function build(sources: readonly string[]): Promise<Uint8Array<ArrayBuffer>> {
  const path = await Deno.makeTempFile();
  const { success, stderr } = await new Deno.Command("musl-gcc", {
    args: [...FLAGS, ...KERNEL_HEADERS, "-o", path, ...sources],
    cwd: import.meta.dirname!,
  }).output();
  try {
    if (success) return await Deno.readFile(path);
    throw new KhachapuriError("internal", new TextDecoder().decode(stderr));
  } finally {
    await Deno.remove(path);
  }
}

/** `name value` lines; a name that comes again adds a value. */
export type Facts = ReadonlyMap<string, readonly string[]>;

export function readFacts(text: string): Facts {
  const facts = new Map<string, string[]>();
  for (const line of text.split("\n").filter((line) => line !== "")) {
    const at = line.indexOf(" ");
    const [name, value] = at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1)];
    facts.set(name, [...facts.get(name) ?? [], value]);
  }
  return facts;
}

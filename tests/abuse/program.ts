/** The attacking programs (C, in this folder), built once for each test run. */
import { join } from "node:path";
import type { Machine } from "../../sandbox/machine.ts";
import { compileC } from "../../worlds/sandbox/c_programs.ts";

const SOURCES = ["main.c", "files.c", "kernel.c", "process.c", "network.c", "egress.c"];
const SERVER_SOURCES = ["", "_plain", "_lies", "_freeze", "_reach"].map((of) => `server${of}.c`);

/** @throws KhachapuriError `internal` with what the compiler said */
export function buildAbuse(machine?: Machine): Promise<Uint8Array<ArrayBuffer>> {
  return build(SOURCES, machine);
}

/** The one that is a server. @throws KhachapuriError `internal` with what the compiler said */
export function buildServer(): Promise<Uint8Array<ArrayBuffer>> {
  return build(SERVER_SOURCES);
}

async function build(
  sources: readonly string[],
  machine?: Machine,
): Promise<Uint8Array<ArrayBuffer>> {
  return await compileC(sources.map((name) => join(import.meta.dirname!, name)), machine);
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

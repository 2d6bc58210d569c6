/**
 * npm's solc behind the two options that forge uses of a native one: `--version`, and
 * `--standard-json` (JSON in on stdin, JSON out on stdout). See `tools/forge.ts`.
 */
import { readFileSync, writeSync } from "node:fs";
import process from "node:process";
import solc from "solc";

/** What we use of npm's solc; `contents` is a source that another imports. */
interface Compiler {
  version(): string;
  compile(input: string, callbacks?: { import(path: string): { contents: string } }): string;
}

export const compiler = solc as unknown as Compiler;

/** Writes everything: one write to a pipe may take only a part. */
function printAll(text: string): void {
  let rest = new TextEncoder().encode(text);
  while (rest.length > 0) rest = rest.subarray(writeSync(1, rest));
}

if (import.meta.main) {
  if (process.argv.includes("--version")) {
    printAll(`solc, the solidity compiler commandline interface\nVersion: ${compiler.version()}\n`);
  } else if (process.argv.includes("--standard-json")) {
    printAll(compiler.compile(readFileSync(0, "utf8")));
  } else {
    printAll("usage: solc.ts --version | --standard-json\n");
    process.exit(2);
  }
}

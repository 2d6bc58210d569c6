/** A file that starts the command line from source as the packaged file does: with its path. */
import { join } from "node:path";
import { commandFromSource } from "./command_line.ts";

export interface ProgramScript {
  /** The version that it says it is, as a package does. */
  readonly version?: string;
  /** Lines of sh before the start. */
  readonly before?: string;
}

/** Writes it to `dir`/`name`, and returns its path. */
export async function writeProgramScript(
  dir: string,
  script: ProgramScript = {},
  name = "khachapuri",
): Promise<string> {
  const path = join(dir, name);
  const text = programScript(script);
  await Deno.writeTextFile(`${path}.fresh`, text, { mode: 0o755 });
  await Deno.chmod(`${path}.fresh`, 0o755);
  await Deno.rename(`${path}.fresh`, path);
  return path;
}

/** What stands in it. */
export function programScript({ version = "0.1.0", before = "" }: ProgramScript = {}): string {
  const command = commandFromSource().map((word) => `'${word}'`).join(" ");
  const lines = ["#!/bin/sh", `# Khachapuri ${version}: sources`, 'export KHACHAPURI_FILE="$0"'];
  return `${[...lines, before, `exec ${command} "$@"`].join("\n")}\n`;
}

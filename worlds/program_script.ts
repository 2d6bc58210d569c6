/** A file that starts the command line from source, as the packaged file does: with its own path. */
import { join } from "node:path";
import { commandFromSource } from "./local_world.ts";

export interface ProgramScript {
  /** Lines of sh before the start. */
  readonly before?: string;
}

/** Writes it to `dir`/`name`, and returns its path. */
export async function writeProgramScript(
  dir: string,
  { before = "" }: ProgramScript = {},
  name = "khachapuri",
): Promise<string> {
  const path = join(dir, name);
  const command = commandFromSource().map((word) => `'${word}'`).join(" ");
  const text = `#!/bin/sh\nexport KHACHAPURI_FILE="$0"\n${before}\nexec ${command} "$@"\n`;
  await Deno.writeTextFile(`${path}.new`, text, { mode: 0o755 });
  await Deno.chmod(`${path}.new`, 0o755);
  await Deno.rename(`${path}.new`, path);
  return path;
}

/**
 * Starts the forge of the lock file on `contracts/`, with npm's solc as its compiler: nothing is
 * downloaded, and the same sources give the same bytecode on every machine.
 */
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const FORGE = `${ROOT}node_modules/@foundry-rs/forge-linux-amd64/bin/forge`;
const SOLC = `${ROOT}.cache/solc`;

export interface ForgeOptions {
  env?: Readonly<Record<string, string>>;
  /** Where forge's stdout goes; "piped" returns it. */
  stdout?: "inherit" | "piped";
  /** Where forge's stderr goes; "piped" returns it. */
  stderr?: "inherit" | "piped";
  /** The folder that has `contracts/` and `node_modules/`; this repository when left out. */
  root?: string;
  /** Ends forge when it aborts. */
  signal?: AbortSignal;
}

export interface ForgeResult {
  success: boolean;
  stdout: string;
  stderr: string;
}

/** forge wants one executable that is its compiler; Deno and a script are two. */
async function writeCompiler(): Promise<void> {
  const permissions = [`--allow-read=${ROOT}`, "--allow-env"];
  const command = [Deno.execPath(), "run", "--no-prompt", "--frozen", "--cached-only"];
  const argv = [...command, ...permissions, `${ROOT}tools/solc.ts`];
  const quoted = argv.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  await Deno.mkdir(`${ROOT}.cache`, { recursive: true });
  // Two runs may start at once: each puts a whole file in place.
  const draft = await Deno.makeTempFile({ dir: `${ROOT}.cache` });
  await Deno.writeTextFile(draft, `#!/bin/sh\nexec ${quoted} "$@"\n`);
  await Deno.chmod(draft, 0o755);
  await Deno.rename(draft, SOLC);
}

/** Runs forge with `args` in the root of `contracts/`. */
export async function forge(
  args: readonly string[],
  { env = {}, stdout = "inherit", stderr = "inherit", root = ROOT, signal }: ForgeOptions = {},
): Promise<ForgeResult> {
  await writeCompiler();
  const output = await new Deno.Command(FORGE, {
    args: [...args],
    cwd: root,
    // Gas figures are written when asked for, not by any run of the tests.
    env: {
      FOUNDRY_CONFIG: `${root}contracts/foundry.toml`,
      FOUNDRY_SOLC: SOLC,
      FORGE_SNAPSHOT_EMIT: "false",
      ...env,
    },
    stdin: "null",
    stdout,
    stderr,
    ...(signal && { signal }),
  }).output();
  const textOf = (stream: "stdout" | "stderr", mode: string) =>
    mode === "piped" ? new TextDecoder().decode(output[stream]) : "";
  return {
    success: output.success,
    stdout: textOf("stdout", stdout),
    stderr: textOf("stderr", stderr),
  };
}

/** How the command line is started: from source as people use it, or the built file under test. */
import { fileURLToPath } from "node:url";
import { PERMISSIONS } from "../tools/permissions.ts";
import { V8_FLAGS } from "../tools/v8_flags.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** The path of a built file, packaged or compiled, that tests start in place of the sources. */
const BINARY_VARIABLE = "KHACHAPURI_TEST_BINARY";

/** The command line from source, with the permissions and flags that it has when it is packaged. */
export function commandFromSource(): string[] {
  const flags = ["--quiet", "--frozen", "--no-prompt", "--cached-only", V8_FLAGS, ...PERMISSIONS];
  return [Deno.execPath(), "run", ...flags, `${ROOT}main.ts`];
}

/** The built file that is tested; null: the sources are. */
export function binaryUnderTest(): string | null {
  return Deno.env.get(BINARY_VARIABLE) || null;
}

/** What tests start: the sources, but in `deno task test --binary FILE`. */
export function commandUnderTest(): string[] {
  const binary = binaryUnderTest();
  return binary === null ? commandFromSource() : [binary];
}

/** The environment of tests that run on `binary`. */
export function environmentFor(binary: string): Record<string, string> {
  return { [BINARY_VARIABLE]: binary };
}

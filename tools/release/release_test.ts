import assert from "node:assert/strict";
import { join } from "node:path";
import { runQuietly } from "../quiet.ts";

const RELEASE = join(import.meta.dirname!, "release.ts");

async function release(...args: string[]): Promise<string> {
  const flags = ["--no-prompt", "--allow-read", "--allow-env", "--allow-run", "--allow-sys"];
  const { isDone, said } = await runQuietly(
    Deno.execPath(),
    ["run", "--quiet", "--frozen", "--no-check", ...flags, RELEASE, ...args],
    { NO_COLOR: "1" },
  );
  assert.equal(isDone, false, said);
  return said;
}

Deno.test("a release that is asked for wrongly is refused by name, before anything is built", async () => {
  assert.match(await release("--architecture", "riscv"), /there is no architecture riscv/);
  assert.match(await release("--sign"), /Unknown option '--sign'/);
  assert.match(await release("--next-key", "x.pub"), /vouched for by the present one: add --key/);
  assert.match(await release("--key", "a", "--trust", "b"), /leave --trust out/);
});

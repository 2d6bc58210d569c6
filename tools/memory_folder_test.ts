import assert from "node:assert/strict";
import { openMemoryFolder } from "./memory_folder.ts";

async function run([command, ...args]: readonly string[]) {
  const { code, stdout } = await new Deno.Command(command!, { args }).output();
  return { code, said: new TextDecoder().decode(stdout).trim() };
}

Deno.test("each command has temporary folders of its own, and keeps its exit code", async () => {
  await using folder = await openMemoryFolder();
  const script = 'd=$(mktemp -d) && stat -f -c %T "$d" && exit 7';
  const { code, said } = await run(folder.around(["sh", "-c", script]));
  assert.equal(code, 7);
  if (Deno.uid() !== 0) return;
  assert.equal(said, "tmpfs");
  const left = await run(folder.around(["sh", "-c", 'ls -A "$TMPDIR"']));
  assert.equal(left.said, "");
});

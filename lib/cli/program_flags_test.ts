import assert from "node:assert/strict";
import { join } from "node:path";
import { programChoices, type ProgramFlags } from "./program_flags.ts";

const NOTHING: ProgramFlags = {
  entrypoint: undefined,
  arg: [],
  env: [],
  "env-file": undefined,
  interface: undefined,
  timeout: undefined,
  memory: undefined,
};

Deno.test("an env file is taken literally, and --env wins over it", async () => {
  await withFile('A=1=2\n# B=3\n\nQUOTED="x"\r\n', async (path) => {
    const { env } = await programChoices({ ...NOTHING, "env-file": path, env: ["A=mine"] });
    assert.deepEqual(env, { A: "mine", QUOTED: '"x"' });
  });
});

Deno.test("a bad line of an env file is named by its number, never quoted", async () => {
  await withFile("A=1\n\nhunter2\n", async (path) => {
    await assert.rejects(programChoices({ ...NOTHING, "env-file": path }), (error: Error) => {
      assert.match(error.message, /env, line 3: a variable is given as NAME=VALUE/);
      assert.ok(!error.message.includes("hunter2"));
      return true;
    });
  });
});

async function withFile(text: string, test: (path: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    const path = join(dir, "env");
    await Deno.writeTextFile(path, text);
    await test(path);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

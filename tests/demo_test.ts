/** The demo checks each of its steps itself; here it is run as a newcomer runs it. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { PERMISSIONS_OF_TESTS } from "../tools/permissions.ts";

async function demo(...args: string[]) {
  const script = fileURLToPath(new URL("../tools/demo.ts", import.meta.url));
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--frozen", "--no-prompt", ...PERMISSIONS_OF_TESTS, script, ...args],
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out: out!, err: err! };
}

Deno.test("the demo says how it is started", async () => {
  const help = await demo("--help");
  assert.deepEqual([help.code, help.err], [0, ""]);
  assert.match(help.out, /^usage: deno task demo\n/);
  const { code, out, err } = await demo("--fast");
  assert.deepEqual([code, out], [2, ""]);
  assert.match(err, /unknown argument --fast\nusage:/);
});

Deno.test("the demo walks to its end", async () => {
  const { code, out, err } = await demo();
  assert.equal(code, 0, out.slice(-2_000) + err);
  assert.equal(out.trimEnd().split("\n").at(-1), "demo ok");
});

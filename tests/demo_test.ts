/** The demo checks each of its steps itself; here it is run as a newcomer runs it. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { PERMISSIONS_OF_TESTS } from "../tools/permissions.ts";

Deno.test("the demo walks to its end", async () => {
  const script = fileURLToPath(new URL("../tools/demo.ts", import.meta.url));
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--frozen", "--no-prompt", ...PERMISSIONS_OF_TESTS, script],
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert.equal(code, 0, text.slice(-2_000) + new TextDecoder().decode(stderr));
  assert.equal(text.trimEnd().split("\n").at(-1), "demo ok");
});

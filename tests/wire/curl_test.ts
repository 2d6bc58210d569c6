/** What curl makes of answers that cannot be ended. */
import assert from "node:assert/strict";
import { CUT } from "./case.ts";
import { openStage } from "./stage.ts";

Deno.test("curl sees that an answer was cut off, whatever HTTP it speaks", async () => {
  await using stage = await openStage();
  const [path] = stage.addressed([`/${CUT}/`]);
  for (const version of ["--http1.0", "--http1.1"]) {
    const args = ["-sS", version, `${stage.market.provider.url}${path}`];
    const { code, stdout } = await new Deno.Command("curl", { args }).output();
    assert.equal(new TextDecoder().decode(stdout), "half\n");
    // 18: transfer closed with data outstanding; 56: reset while receiving.
    assert.ok(code === 18 || code === 56, `curl ${version} ended with ${code}`);
  }
});

import assert from "node:assert/strict";
import { currentScripts, scriptsModule } from "./page_scripts.ts";

Deno.test("what pages run is what lib/browser says", async () => {
  const isFresh = await scriptsModule() === await currentScripts();
  assert.ok(isFresh, "lib/provider/http/page_scripts.ts is stale: run `deno task pages`");
});

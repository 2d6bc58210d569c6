import assert from "node:assert/strict";
import { EXIT_CODES_PATH, exitCodesPage } from "./exit_codes.ts";

Deno.test("docs/exit-codes.md is what `deno task docs` writes", async () => {
  assert.equal(await Deno.readTextFile(EXIT_CODES_PATH), exitCodesPage());
});

Deno.test("every error code has a meaning and every exit code a kind", () => {
  assert.ok(!exitCodesPage().includes("undefined"));
});

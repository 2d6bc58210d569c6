import assert from "node:assert/strict";
import { familyOf } from "../../runtime.ts";
import { RUNTIME_TABLE } from "./runtime_table.ts";

Deno.test("each row is a family, so that the names of it are told from other programs", () => {
  for (const family of Object.keys(RUNTIME_TABLE)) assert.equal(familyOf(family), family);
});

Deno.test("rows can be written into a shell's script as they are", () => {
  for (const [family, flags] of Object.entries(RUNTIME_TABLE)) {
    assert.match(`${family} ${flags}`, /^[\w./ -]+$/);
  }
});

import assert from "node:assert/strict";
import { lapseText } from "./name_lapse.ts";

Deno.test("of a name that stays nothing is told, of one that lapses when, and what to do", () => {
  assert.equal(lapseText(null), "");
  const text = lapseText(Date.UTC(2026, 0, 2, 3, 4));
  assert.match(text, /2026-01-02.*khachapuri allow NAME --credits N$/);
});

import assert from "node:assert/strict";
import { onceFacts } from "./once.ts";

Deno.test("what one call costs is said where it can be paid for by itself, and else nothing", () => {
  const exact = { scheme: "exact", amount: "12500" };
  const told = [["Once", "0.0125 USDC, nothing locked"]];
  assert.deepEqual(onceFacts([{ scheme: "credits" }, exact]), told);
  assert.deepEqual(onceFacts([{ scheme: "credits" }]), []);
});

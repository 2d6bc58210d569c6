import assert from "node:assert/strict";
import { KhachapuriError } from "../../errors.ts";
import { refusalOf } from "./refusal.ts";

Deno.test("a refusal says what was wrong, and asks nobody to pay", () => {
  const { status, headers, body } = refusalOf(new KhachapuriError("invalid_input", "no Host"));
  assert.equal(status, 400);
  assert.ok(headers.every(([name]) => !name.startsWith("payment")));
  assert.equal(JSON.parse(new TextDecoder().decode(body)).message, "no Host");
});

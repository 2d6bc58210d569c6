import assert from "node:assert/strict";
import fc from "fast-check";
import { formatUnits, parseUnits } from "viem";
import { KhachapuriError } from "../errors.ts";
import { formatUsdc, parseUsdc } from "./usdc.ts";

Deno.test("parseUsdc() and formatUsdc() agree with viem's units and with each other", () => {
  fc.assert(fc.property(fc.bigInt({ min: 0n, max: 10n ** 30n }), (amount) => {
    assert.equal(formatUsdc(amount), formatUnits(amount, 6));
    assert.equal(parseUsdc(formatUsdc(amount)), amount);
    assert.equal(parseUnits(formatUsdc(amount), 6), amount);
  }));
});

Deno.test("parseUsdc() takes the amounts that people write", () => {
  assert.equal(parseUsdc("1.25"), 1_250_000n);
  assert.equal(parseUsdc("0.001"), 1_000n);
  assert.equal(parseUsdc("5"), 5_000_000n);
  assert.equal(parseUsdc("5.000000"), 5_000_000n);
});

Deno.test("parseUsdc() refuses what would be rounded or misread", () => {
  const bad = ["", "-1", "+1", "1,5", "1e3", ".5", "5.", "0.0000001", " 1", "0x1", "1 USDC", "NaN"];
  for (const text of [...bad, "1".repeat(31)]) {
    assert.throws(
      () => parseUsdc(text),
      (error) => error instanceof KhachapuriError && error.code === "invalid_input",
      text,
    );
  }
});

import assert from "node:assert/strict";
import { Trouble } from "./trouble.ts";
import { countOf, usdcAmount, wholeNumber } from "./session.ts";

Deno.test("an amount of USDC is read as people write it, or not at all", () => {
  const read: [string, bigint][] = [["5", 5_000_000n], [" 0.25 ", 250_000n], ["0,000001", 1n]];
  for (const [text, amount] of read) assert.equal(usdcAmount(text), amount, text);
  for (const text of ["", "0", "-1", "1e3", "0.0000001", "1.", ".5", "0x5"]) {
    assert.throws(() => usdcAmount(text), Trouble, text);
  }
});

Deno.test("a whole number is one, or the person is told what it should be", () => {
  assert.equal(wholeNumber(" 12 ", "Credits"), 12n);
  for (const text of ["", "0", "1.5", "-1", "1e3"]) {
    assert.throws(() => wholeNumber(text, "Credits"), /^Error: Credits is a whole number/, text);
  }
});

Deno.test("credits are counted in words, those without end too", () => {
  assert.equal(countOf(1n), "1 credit");
  assert.equal(countOf(1_234_567n), "1,234,567 credits");
  assert.equal(countOf(2n ** 128n - 1n), "unlimited credits");
});

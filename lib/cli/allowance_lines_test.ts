import assert from "node:assert/strict";
import { zeroAddress } from "viem";
import { isPaying, leftOf, thawingLines, unsettledLines } from "./allowance_lines.ts";

const NOW = 1_700_000_000n;
const HELD = {
  pricePerCredit: 2_000n,
  credits: 100n,
  thawingCredits: 40n,
  thawEnd: NOW + 60n,
  signer: zeroAddress,
  epoch: 0,
  epochEnd: 0n,
};

Deno.test("what is left is what neither thaws nor is unsettled, never less than nothing", () => {
  assert.equal(leftOf(HELD, null), 60n);
  assert.equal(leftOf(HELD, 5n), 55n);
  assert.equal(leftOf(HELD, 70n), 0n);
});

Deno.test("what thaws is told with its end, its worth, and what brings it back", () => {
  assert.deepEqual(thawingLines(HELD, "a.eth", NOW), [
    "40 thawing until 2023-11-14T22:14:20Z, 0.08 USDC; then: khachapuri reclaim a.eth",
  ]);
  assert.deepEqual(thawingLines(HELD, "a.eth", NOW + 60n), [
    "40 thawed, 0.08 USDC: khachapuri reclaim a.eth",
  ]);
  assert.deepEqual(thawingLines({ ...HELD, thawingCredits: 0n }, "a.eth", NOW), []);
});

Deno.test("what is unsettled is told where there is some", () => {
  assert.deepEqual(unsettledLines(5n, HELD), [
    "5 unsettled, 0.01 USDC at most: used or held by calls",
  ]);
  for (const none of [0n, null]) assert.deepEqual(unsettledLines(none, HELD), []);
});

Deno.test("an allowance pays for calls with what neither thaws nor is used, at the price asked", () => {
  const held = { credits: 5n, thawingCredits: 0n, pricePerCredit: 10n };
  assert.equal(isPaying(held, null, null), true);
  assert.equal(isPaying(held, 4n, 10n), true);
  assert.equal(isPaying(held, 5n, 10n), false);
  assert.equal(isPaying(held, null, 11n), false);
  assert.equal(isPaying({ ...held, thawingCredits: 5n }, null, null), false);
});

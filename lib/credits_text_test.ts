import assert from "node:assert/strict";
import { creditsCount, creditsText, thawingText } from "./credits_text.ts";
import { UINT128_MAX } from "./permit.ts";

Deno.test("credits are counted, and what bounds nothing is unlimited", () => {
  assert.deepEqual([0n, 1n, 7n].map(creditsText), ["0 credits", "1 credit", "7 credits"]);
  assert.equal(creditsText(UINT128_MAX), "unlimited credits");
  // What was charged of it changes nothing.
  assert.equal(creditsCount(UINT128_MAX - 1_000_000n), "unlimited");
  assert.equal(creditsCount(10n ** 18n), String(10n ** 18n));
});

Deno.test("what thaws is told with its end", () => {
  const thawing = { thawingCredits: 3n, thawEnd: 1_700_000_000n };
  assert.equal(thawingText(thawing, 1_699_999_999n), "3 thawing until 2023-11-14T22:13:20Z");
  assert.equal(thawingText(thawing, 1_700_000_000n), "3 thawed");
});

import assert from "node:assert/strict";
import { decreaseHints, endedThawLines, thawText } from "./allowance_advice.ts";

const NOW = 1_700_000_000n;
const HELD = { credits: 100n, pricePerCredit: 2_000n, thawingCredits: 0n, thawEnd: 0n };
const THAWING = { ...HELD, thawingCredits: 40n, thawEnd: NOW + 60n };
const hints = (held: typeof HELD, credits: bigint, pricePerCredit = 2_000n) =>
  decreaseHints(held, { name: "a.eth", credits, pricePerCredit }, NOW);

Deno.test("a thaw is told with its end", () => {
  assert.equal(thawText(HELD, NOW), null);
  assert.equal(thawText(THAWING, NOW), "40 credits thaw until 2023-11-14T22:14:20Z");
  assert.equal(thawText({ ...THAWING, thawEnd: NOW }, NOW), "40 credits have thawed");
  assert.deepEqual(endedThawLines(HELD), []);
  assert.match(endedThawLines(THAWING).join(), /the 40 credits that you revoked thaw no more/);
});

Deno.test("who wants fewer credits is told what lowers them, by how it stands", () => {
  assert.deepEqual(hints(HELD, 30n), [
    "khachapuri revoke a.eth --credits 70",
    "then, when they have thawed: khachapuri reclaim a.eth",
  ]);
  assert.match(hints(HELD, 100n, 1_000n).join(), /^--price 0.002 allows as much as before/);
  assert.match(hints(THAWING, 30n)[1]!, /allow a.eth --credits 100 --price 0.002$/);
  assert.deepEqual(hints({ ...THAWING, thawEnd: NOW }, 30n), [
    "40 credits have thawed: khachapuri reclaim a.eth, and then allow again",
  ]);
});

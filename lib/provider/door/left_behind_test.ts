import assert from "node:assert/strict";
import type { Hex } from "viem";
import type { CidText } from "../../cid.ts";
import { type Keep, KEEP_FOREVER, KEEP_NOTHING } from "../../keep.ts";
import type { Agreed, Agreement } from "../deployment/agreements.ts";
import type { Offer } from "../deployment/tariff_book.ts";
import { leftBehind, tellLeftBehind } from "./left_behind.ts";

const [OURS, GONE]: [Hex, Hex] = [`0x${"01".repeat(32)}`, `0x${"02".repeat(32)}`];
const agreement = (
  cid: string,
  came: number | null,
  price: bigint | null,
  terms = OURS,
): Agreement => ({ cid: cid as CidText, came, price, terms });

const NOTHING: Keep = { price: KEEP_NOTHING, terms: KEEP_NOTHING };

/** Asked 1000 from 0 on, and 2000 from 100 on, when a text was taken from the list. */
const AGREED: Agreed = {
  agreements: [
    agreement("good", 0, 2_000n),
    agreement("old", 0, 1_000n),
    agreement("cheap", 1, 500n),
    agreement("payers", 0, null),
    agreement("otherTerms", 0, 2_000n, GONE),
    agreement("stray", null, 1_000n),
  ],
  tariffs: [
    { price: 1_000n, terms: [OURS, GONE], since: 0n },
    { price: 2_000n, terms: [OURS], since: 100n },
  ],
};
const offer = (changes: Partial<Offer> = {}): Offer => (
  { price: 2_000n, terms: [OURS], keep: NOTHING, ...changes }
);
const NOBODY = { cids: [], until: null };

Deno.test("a dearer price refuses who signed less, but as long as an earlier one is kept", () => {
  const judge = (changes: Partial<Offer>, now = 150n) => {
    const { known, price: _, ...left } = leftBehind(AGREED, offer(changes), now);
    assert.equal(known, 6);
    return left;
  };
  assert.deepEqual(judge({}), {
    byPrice: ["old", "cheap", "stray"],
    keepable: ["old"],
    kept: NOBODY,
    byTerms: ["otherTerms"],
    keptTerms: NOBODY,
  });
  const keep = { price: { seconds: 60n }, terms: { seconds: 90n } };
  assert.deepEqual(judge({ keep }), {
    byPrice: ["cheap", "stray"],
    keepable: [],
    kept: { cids: ["old"], until: 160n },
    byTerms: [],
    keptTerms: { cids: ["otherTerms"], until: 190n },
  });
  assert.deepEqual(judge({ keep }, 160n).kept, NOBODY);
  assert.deepEqual(judge({ price: 500n, terms: [OURS, GONE] }).byPrice, []);
});

Deno.test("a change that is to come is judged as if it were made now", () => {
  const keep = { ...NOTHING, price: { seconds: 60n } };
  const { byPrice, kept } = leftBehind(AGREED, offer({ price: 3_000n, keep }), 150n);
  assert.deepEqual(byPrice, ["cheap", "stray"]);
  assert.deepEqual(kept, { cids: ["good", "old"], until: 160n });
  const forEver = { ...NOTHING, price: KEEP_FOREVER };
  assert.deepEqual(leftBehind(AGREED, offer({ price: 3_000n, keep: forEver }), 1n).kept, NOBODY);
});

Deno.test("without a history the earlier price that the configuration names is one", () => {
  const before: Agreed = {
    agreements: AGREED.agreements.map((each) => ({ ...each, came: null })),
    tariffs: [],
  };
  const oldPrice = { price: 1_000n, until: 200n };
  const keep = { ...NOTHING, price: { until: 200n } };
  const { byPrice, kept } = leftBehind(before, offer({ oldPrice, keep }), 150n);
  assert.deepEqual(byPrice, ["cheap"]);
  assert.deepEqual(kept, { cids: ["old", "stray"], until: 200n });
  assert.deepEqual(leftBehind(before, offer({ keep }), 150n).byPrice, ["old", "cheap", "stray"]);
});

Deno.test("a person is told how many they are, until when, and what to do", () => {
  const tell = (changes: Partial<Offer>) =>
    tellLeftBehind(leftBehind(AGREED, offer(changes), 150n))!;
  const atOnce = tell({});
  assert.equal(atOnce.detail, "6 paid for here, 4 refused by price or terms");
  const [price, terms] = atOnce.hints;
  assert.match(price!, /^3 deployments \(old, …\): .* less than 0\.002 USDC.*allow NAME --reprice/);
  assert.match(price!, /; 1 of them would be served .*: khachapuri init --keep-price 90d$/);
  assert.match(terms!, /^1 deployment \(otherTerms\): they signed terms that are not listed/);
  const kept = tell({ keep: { price: { seconds: 60n }, terms: { seconds: 90n } } }).hints;
  assert.doesNotMatch(kept[0]!, /keep-price/);
  assert.match(kept[1]!, /^1 deployment \(old\): .* the first until 1970-01-01T00:02:40Z; then/);
  assert.match(kept[2]!, /^1 deployment \(otherTerms\): .* the first until 1970-01-01T00:03:10Z/);
  assert.deepEqual(tell({ price: 500n, terms: [OURS, GONE] }).hints, []);
  assert.equal(tellLeftBehind(leftBehind({ agreements: [], tariffs: [] }, offer(), 0n)), null);
});

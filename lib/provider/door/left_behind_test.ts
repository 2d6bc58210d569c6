import assert from "node:assert/strict";
import type { Hex } from "viem";
import type { CidText } from "../../cid.ts";
import type { Agreement } from "../deployment/agreements.ts";
import { leftBehind, tellLeftBehind } from "./left_behind.ts";

const [OURS, GONE]: [Hex, Hex] = [`0x${"01".repeat(32)}`, `0x${"02".repeat(32)}`];
const agreement = (cid: string, price: bigint | null, terms = OURS): Agreement => (
  { cid: cid as CidText, price, terms }
);
const AGREEMENTS = [
  agreement("good", 2_000n),
  agreement("old", 1_000n),
  agreement("older", 500n),
  agreement("payers", null),
  agreement("otherTerms", 2_000n, GONE),
];
const OLD_PRICE = { price: 1_000n, until: 100n };

Deno.test("a dearer price leaves behind who signed less than what is taken", () => {
  const judge = (prices: Parameters<typeof leftBehind>[1], now = 0n) =>
    leftBehind(AGREEMENTS, prices, new Set([OURS]), now);
  const byTerms = ["otherTerms"];
  const at = (byPrice: string[], atOldPrice: string[], leastPrice: bigint | null = null) => (
    { byPrice, atOldPrice, byTerms, leastPrice }
  );
  assert.deepEqual(judge({ price: 500n }), at([], []));
  assert.deepEqual(judge({ price: 2_000n }), at(["old", "older"], [], 500n));
  const rose = { price: 2_000n, oldPrice: OLD_PRICE };
  assert.deepEqual(judge(rose, 99n), at(["older"], ["old"], 500n));
  assert.deepEqual(judge(rose, 100n), at(["old", "older"], [], 500n));
});

Deno.test("a person is told how many they are, until when, and what to do", () => {
  const prices = { price: 2_000n, oldPrice: OLD_PRICE };
  const tell = (terms: Hex[]) =>
    tellLeftBehind(leftBehind(AGREEMENTS, prices, new Set(terms), 0n), prices, 5)!;
  const { detail, hints } = tell([OURS]);
  assert.equal(detail, "5 paid for here, 2 refused by price or terms");
  assert.match(
    hints[0]!,
    /^1 deployment \(older\): .* less than 0\.002 USDC.*permit CID.*--old-price 0\.0005 /,
  );
  assert.match(
    hints[1]!,
    /^1 deployment \(old\): served at 0\.001 USDC until 1970-01-01T00:01:40Z/,
  );
  assert.match(hints[2]!, /^1 deployment \(otherTerms\): they signed terms that are not listed/);
  assert.match(tell([]).hints.at(-1)!, /^5 deployments \(good, …\)/);
  const well = { byPrice: [], atOldPrice: [], byTerms: [], leastPrice: null };
  assert.deepEqual(tellLeftBehind(well, prices, 5)!.hints, []);
  assert.equal(tellLeftBehind(well, prices, 0), null);
});

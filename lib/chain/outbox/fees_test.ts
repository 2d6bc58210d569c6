import assert from "node:assert/strict";
import { capFees, clears, type Fees, freshFees, isFresh, raiseFees } from "./fees.ts";

const PRICE = { head: 1n, baseFee: 100n, tip: 10n };
const both = (fee: bigint): Fees => ({ maxFeePerGas: fee, maxPriorityFeePerGas: fee });

Deno.test("a new transaction bears a base fee twice as high, within its cap", () => {
  const fresh = freshFees(PRICE);
  assert.deepEqual(fresh, { maxFeePerGas: 210n, maxPriorityFeePerGas: 10n });
  assert.deepEqual(capFees(fresh, null), fresh);
  assert.deepEqual(capFees(fresh, 150n), { maxFeePerGas: 150n, maxPriorityFeePerGas: 10n });
  assert.deepEqual(capFees(fresh, 4n), both(4n));
});

Deno.test("it clears for a while longer than it is fresh", () => {
  const fees = freshFees(PRICE);
  assert.ok(isFresh(fees, PRICE));
  for (
    const [baseFee, tip, isClear] of [[150n, 10n, true], [180n, 10n, false], [
      100n,
      11n,
      false,
    ]] as const
  ) {
    const later = { head: 2n, baseFee, tip };
    assert.ok(!isFresh(fees, later));
    assert.equal(clears(fees, later), isClear, `${baseFee}`);
  }
});

Deno.test("a raised fee is one that nodes take for the same nonce, however small it was", () => {
  for (const fee of [0n, 1n, 9n, 10n ** 9n]) {
    for (const forms of [1, 20]) {
      const raised = raiseFees(both(fee), both(0n), null, forms)!;
      assert.ok(raised.maxFeePerGas > fee && raised.maxFeePerGas * 10n >= fee * 11n);
      assert.ok(raised.maxPriorityFeePerGas * 10n >= fee * 11n);
    }
  }
});

Deno.test("it is what is wanted where that is more, and never above the cap", () => {
  assert.deepEqual(raiseFees(both(10n), both(500n), null, 1), both(500n));
  assert.deepEqual(raiseFees(both(10n), both(500n), 40n, 1), both(40n));
  assert.equal(raiseFees(both(100n), both(500n), 109n, 1), null);
});

Deno.test("a transaction has few forms, however far the price runs away in small steps", () => {
  let fees = both(10n ** 6n);
  let forms = 1;
  while (fees.maxFeePerGas < 10n ** 15n) {
    const wanted = both(fees.maxFeePerGas + 1n);
    fees = raiseFees(fees, wanted, null, forms)!;
    forms += 1;
  }
  assert.ok(forms <= 40, `${forms} forms`);
});

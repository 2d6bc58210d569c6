import assert from "node:assert/strict";
import {
  capFees,
  clears,
  type Fees,
  freshFees,
  gasPriceOf,
  GasTooDear,
  isFresh,
  launchFees,
  raiseFees,
} from "./fees.ts";

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

Deno.test("a first form pays what is fresh, within its cap, and is none where no block takes it", () => {
  assert.equal(gasPriceOf(PRICE), 110n);
  assert.deepEqual(launchFees(PRICE, null), freshFees(PRICE));
  assert.deepEqual(launchFees(PRICE, 100n), { maxFeePerGas: 100n, maxPriorityFeePerGas: 10n });
  assert.throws(() => launchFees(PRICE, 99n), (error) => {
    assert.ok(error instanceof GasTooDear);
    assert.deepEqual([error.price, error.cap], [110n, 99n]);
    return true;
  });
});

Deno.test("a fee clears that a base fee higher by a quarter leaves room for", () => {
  const clearsAt = (maxFeePerGas: bigint) =>
    clears({ maxFeePerGas, maxPriorityFeePerGas: 10n }, PRICE);
  assert.deepEqual([clearsAt(134n), clearsAt(135n)], [false, true]);
});

Deno.test("a raise is an eighth, and doubles once there are many forms", () => {
  const raised = (forms: number) => raiseFees(both(1_000n), both(0n), null, forms);
  assert.deepEqual(raised(1), both(1_126n));
  assert.deepEqual(raised(7), both(1_126n));
  assert.deepEqual(raised(8), both(2_001n));
});

Deno.test("a cap that leaves less than a tenth more, for either fee, leaves no raise", () => {
  assert.equal(raiseFees(both(1_000n), both(0n), 1_100n, 1), null);
  assert.deepEqual(raiseFees(both(1_000n), both(0n), 1_101n, 1), both(1_101n));
  const tipAtCap = { maxFeePerGas: 900n, maxPriorityFeePerGas: 1_000n };
  assert.equal(raiseFees(tipAtCap, both(0n), 1_000n, 1), null);
});

import assert from "node:assert/strict";
import { coinPriceOf, costOf, weiOf } from "./gas_worth.ts";

const GWEI = 10n ** 9n;
const ETHER = 4_000_000_000n;

Deno.test("gas costs what its wei buy, and never less than that", () => {
  // 100,000 gas at 0.01 gwei are 1e12 wei: at 4,000 USDC a coin 0.004 USDC.
  assert.equal(costOf(100_000n, GWEI / 100n, ETHER), 4_000n);
  assert.equal(costOf(90_000n, 10n * GWEI, ETHER), 3_600_000n);
  assert.equal(costOf(1n, 1n, ETHER), 1n, "rounded up");
  assert.equal(costOf(0n, GWEI, ETHER), 0n);
  assert.equal(costOf(100_000n, 0n, ETHER), 0n);
});

Deno.test("an amount buys as many wei as its gas costs at most", () => {
  assert.equal(weiOf(4_000n, ETHER), 10n ** 12n);
  for (const [gas, price] of [[57_600n, 6_123_457n], [1n, 1n], [3_000_000n, 999n * GWEI]]) {
    const cost = costOf(gas!, price!, ETHER);
    assert.ok(weiOf(cost, ETHER)! >= gas! * price!);
    assert.ok(weiOf(cost - 1n, ETHER)! < gas! * price!);
  }
});

Deno.test("where the coin costs nothing, gas does, and no amount bounds it", () => {
  assert.equal(costOf(30_000_000n, 1_000n * GWEI, 0n), 0n);
  assert.equal(weiOf(1n, 0n), null);
});

Deno.test("a coin has the configured price, else none on a test chain and ether's elsewhere", () => {
  assert.equal(coinPriceOf(8_453), ETHER);
  assert.equal(coinPriceOf(424_242), ETHER, "an unknown chain's coin is not taken for a gift");
  for (const chainId of [31_337, 1_337, 11_155_111, 84_532, 421_614, 11_155_420]) {
    assert.equal(coinPriceOf(chainId), 0n);
  }
  assert.equal(coinPriceOf(137, 500_000n), 500_000n);
  assert.equal(coinPriceOf(31_337, ETHER), ETHER);
  assert.equal(coinPriceOf(8_453, 0n), 0n);
});

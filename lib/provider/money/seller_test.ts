import assert from "node:assert/strict";
import { priceFor } from "./seller.ts";

Deno.test("a permit pays the price, and what it was as long as that is taken", () => {
  const seller = { price: 2_000n, oldPrice: { price: 1_000n, until: 100n } };
  const cases: [permit: bigint, now: bigint, price: bigint][] = [
    [2_000n, 99n, 2_000n],
    [3_000n, 99n, 2_000n],
    [1_000n, 99n, 1_000n],
    [1_999n, 99n, 1_000n],
    [999n, 99n, 2_000n],
    [1_000n, 100n, 2_000n],
    [2_000n, 100n, 2_000n],
  ];
  for (const [price, now, pays] of cases) assert.equal(priceFor(seller, { price }, now), pays);
  assert.equal(priceFor({ price: 2_000n }, { price: 1_000n }, 0n), 2_000n);
  const cheaper = { price: 500n, oldPrice: { price: 1_000n, until: 100n } };
  assert.equal(priceFor(cheaper, { price: 1_000n }, 0n), 500n);
});

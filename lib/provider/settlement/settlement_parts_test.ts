/** An allowance that covers a part which is not worth its gas. */
import assert from "node:assert/strict";
import type { Hex } from "viem";
import { ANNA, openSettlingBooks, PRICE_MAX } from "../../../worlds/chain/settling_books.ts";

const LANE: Hex = `0x${"0a".repeat(32)}`;

Deno.test("a part that is not worth its gas is not gone for again and again", async () => {
  // A row costs 40 base units, a batch 60 besides; the lane owes 2,000, of which 50 are there.
  await using books = await openSettlingBooks({ coinPrice: 1_000_000n });
  const { fake, settlement, batches, use } = books;
  books.gasPrice = 1_000_000_000n;
  await use(ANNA, LANE, 40, { price: 50n });
  fake.allow(ANNA.address, PRICE_MAX, 1n);
  for (let round = 0; round < 10; round++) {
    books.now += 60_000;
    await settlement.settleNow();
  }
  assert.ok(batches.length <= 2, `${batches.length} batches, each skipped at our gas`);
});

/** What the escrow refused is written off: it holds nothing up and asks for nothing. */
import assert from "node:assert/strict";
import type { Hex } from "viem";
import { ANNA, BERT, openSettlingBooks, PRICE } from "../../../worlds/chain/settling_books.ts";

const LANE: Hex = `0x${"0a".repeat(32)}`;

Deno.test("a debt that was written off does not make every later charge a transaction", async () => {
  await using books = await openSettlingBooks({ amount: 20n * PRICE });
  const { settlement, batches, ledger, use } = books;
  await use(ANNA, LANE, 19, { signer: BERT });
  await settlement.settleNow();
  assert.deepEqual(ledger.totals().unsettled, 0n);
  assert.equal((await ledger.figures()).refusedAmount, 19n * PRICE);
  const [before, after] = [batches.length, 50];
  for (let charge = 0; charge < after; charge++) {
    await use(BERT, LANE, 1);
    const looks = books.looks;
    settlement.noticeCharge();
    if (books.looks > looks) await settlement.settleNow();
  }
  assert.ok(batches.length - before <= 3, `${batches.length - before} transactions`);
  const { charged, settled } = await books.stateOf(BERT, LANE);
  assert.deepEqual([charged, settled], [50n, 40n], "by amount as before");
});

/** What could keep settlement from going on: who waits is woken, what fails stops nobody else. */
import assert from "node:assert/strict";
import type { Hex } from "viem";
import {
  ANNA,
  BERT,
  holdUp,
  openSettlingBooks,
  until,
} from "../../../worlds/chain/settling_books.ts";

const laneOf = (n: number): Hex => `0x${String(n).padStart(64, "0")}`;

async function someTurns(): Promise<void> {
  for (let n = 0; n < 200; n++) await new Promise((resolve) => setImmediate(resolve));
}

Deno.test("a debt that becomes urgent goes, however long nothing has landed", async () => {
  await using books = await openSettlingBooks();
  const { settlement, use } = books;
  const goOn = holdUp(books);
  // Eight batches that can wait are out, and none is mined.
  for (let n = 1; n <= 8; n++) {
    await use(ANNA, laneOf(n), 1);
    settlement.settleDue();
    await until(() => books.batches.length === n);
  }
  await use(BERT, laneOf(900), 1, { deadline: 1_000n });
  // It can wait; the timer comes again and again.
  for (books.now = 0; books.now <= 60_000; books.now += 10_000) {
    settlement.settleDue();
    await someTurns();
  }
  assert.equal(books.batches.length, 8);
  // 100 s before its end it cannot.
  for (books.now = 900_000; books.now <= 960_000; books.now += 10_000) {
    settlement.settleDue();
    await someTurns();
  }
  await until(() => books.batches.at(-1)!.some(({ permit: { lane } }) => lane === laneOf(900)));
  goOn();
});

Deno.test("what a row is worth follows the price of gas when nothing is due", async () => {
  await using books = await openSettlingBooks({ coinPrice: 1_000_000n });
  const { settlement, use } = books;
  books.gasPrice = 1_000_000_000n;
  await use(ANNA, laneOf(1), 20, { price: 100n });
  await settlement.settleNow();
  assert.equal(books.batches.length, 1);
  assert.ok(settlement.rowWorth() > 0n);
  books.gasPrice = 0n;
  await settlement.settleNow();
  assert.equal(settlement.rowWorth(), 0n, "gas is cheap again");
});

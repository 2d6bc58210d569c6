/** Settlement by an operator that may settle so much a day and no more. */
import assert from "node:assert/strict";
import type { Hex } from "viem";
import {
  ANNA,
  BERT,
  linesOf,
  openSettlingBooks,
  paper,
  PRICE,
} from "../../../worlds/chain/settling_books.ts";
import { NEVER } from "../../chain/escrow_provider.ts";

const [LANE, OTHER]: [Hex, Hex] = [`0x${"0a".repeat(32)}`, `0x${"0b".repeat(32)}`];

Deno.test("under a daily cap what fits today is settled, permits that end soon first", async () => {
  await using books = await openSettlingBooks();
  const { settlement, batches, use, stateOf } = books;
  await use(ANNA, LANE, 3);
  await use(BERT, OTHER, 3, { deadline: 9_000_000_000n });
  books.limit(4n * PRICE);
  await settlement.settleNow();
  assert.deepEqual(batches.map((rows) => rows.map(paper)), [[
    { payer: ANNA.address, lane: LANE, credits: 1n, price: PRICE },
    { payer: BERT.address, lane: OTHER, credits: 3n, price: PRICE },
  ]]);
  const { settled, refused } = await stateOf(ANNA, LANE);
  assert.deepEqual([settled, refused], [1n, null], "the rest is due, and waits");
  const warnings = linesOf(books, "the operator's daily cap puts a part off");
  const waiting = String(2n * PRICE);
  assert.deepEqual(warnings.map(({ level, amount, rows }) => [level, amount, rows]), [
    ["warn", waiting, 2],
  ]);
  books.limit(10n * PRICE);
  await settlement.settleNow();
  assert.equal((await stateOf(ANNA, LANE)).settled, 3n);
});

Deno.test("a cap that is used up sends nothing, and free credits are settled all the same", async () => {
  await using books = await openSettlingBooks();
  const { settlement, batches, use, stateOf } = books;
  await use(ANNA, LANE, 1);
  await use(ANNA, OTHER, 1, { price: 0n });
  books.limit(0n);
  await settlement.settleNow();
  assert.deepEqual(batches.flat().map(({ permit }) => permit.lane), [OTHER]);
  assert.equal((await stateOf(ANNA, LANE)).settled, 0n);
});

Deno.test("a row that the cap skipped after all is not refused", async () => {
  await using books = await openSettlingBooks();
  const { fake, settlement, use, stateOf } = books;
  await use(ANNA, LANE, 2);
  books.carry = (send) => {
    fake.limitOperator({ expiry: NEVER, dailyCap: PRICE, spent: 0n });
    return send();
  };
  await settlement.settleNow();
  assert.deepEqual([linesOf(books, "settlement put off").length, books.batches.length], [0, 1]);
  const { settled, refused } = await stateOf(ANNA, LANE);
  assert.deepEqual([settled, refused], [0n, null]);
});

Deno.test("a batch under a cap counts as spent from before it is sent, and as the chain has it after", async () => {
  await using books = await openSettlingBooks();
  const { settlement, watch, use } = books;
  await use(ANNA, LANE, 2);
  books.limit(10n * PRICE);
  const spent: (bigint | undefined)[] = [];
  books.carry = (send) => {
    spent.push(watch.limits()?.spent);
    return send();
  };
  await settlement.settleNow();
  spent.push(watch.limits()?.spent);
  const before = 1_000n - 10n * PRICE;
  assert.deepEqual(spent, [before + 2n * PRICE, before + 2n * PRICE]);
});

Deno.test("under a cap what a payer has given notice of comes before what ends later", async () => {
  for (const notice of ["permits", "credits"]) {
    await using books = await openSettlingBooks();
    const { fake, settlement, batches, use } = books;
    await use(ANNA, LANE, 2);
    await use(BERT, OTHER, 2, { deadline: 9_000_000_000n });
    if (notice === "permits") fake.bumpEpoch(ANNA.address, 8_000_000_000n);
    else fake.revoke(ANNA.address, 1n);
    books.limit(2n * PRICE);
    await settlement.settleNow();
    const payers = batches.flat().map(({ permit }) => permit.payer);
    assert.deepEqual(payers, [ANNA.address], notice);
  }
});

Deno.test("limits that rose are heard of, though who was served nothing owes nothing", async () => {
  await using books = await openSettlingBooks();
  const { fake, settlement, watch } = books;
  fake.limitOperator({ expiry: 1n, dailyCap: 0n, spent: 0n });
  await watch.look();
  assert.equal(watch.limits()?.expiry, 1n);
  fake.limitOperator({ expiry: NEVER, dailyCap: 0n, spent: 0n });
  await settlement.settleNow();
  assert.equal(watch.limits(), null);
});

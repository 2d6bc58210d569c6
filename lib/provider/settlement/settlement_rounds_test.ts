/** Which debts a round takes, in what order, at what cost, and which wait. */
import assert from "node:assert/strict";
import type { Hex } from "viem";
import {
  ANNA,
  BERT,
  holdUp,
  openSettlingBooks,
  PRICE,
  type SettlingBooks,
  until,
} from "../../../worlds/chain/settling_books.ts";
import { BATCH_GAS, NEW_ROW_GAS } from "./capacity.ts";
import { DUST_SECONDS } from "./worth.ts";

const laneOf = (n: number): Hex => `0x${String(n).padStart(64, "0")}`;

/** A thousand units of gas cost one base unit of USDC. */
const COSTLY = { gasPrice: 1_000_000_000n, coinPrice: 1_000_000n };

function batchesOf(books: SettlingBooks) {
  return books.batches.map((rows) => rows.map(({ permit: { payer, lane } }) => ({ payer, lane })));
}

Deno.test("a debt whose permit ends soon goes before any number that can wait", async () => {
  await using books = await openSettlingBooks();
  const { settlement, use } = books;
  books.now = 1_000_000;
  for (let n = 1; n <= 121; n++) await use(ANNA, laneOf(n), 1);
  await use(BERT, laneOf(900), 1, { deadline: 1_200n });
  await settlement.settleNow();
  const [first, second] = batchesOf(books);
  assert.ok(first!.some(({ lane }) => lane === laneOf(900)));
  assert.equal(second!.length, 2);
});

Deno.test("who gave notice is settled by when its credits thaw, and nobody else is", async () => {
  await using books = await openSettlingBooks();
  const { settlement, use, fake } = books;
  await use(ANNA, laneOf(1), 1);
  await use(BERT, laneOf(2), 1);
  fake.revoke(BERT.address, 5n);
  await settlement.settlePayer(BERT.address);
  assert.deepEqual(batchesOf(books), [[{ payer: BERT.address, lane: laneOf(2) }]]);
});

Deno.test("who gives notice again and again is settled once", async () => {
  await using books = await openSettlingBooks();
  const { settlement, use } = books;
  await use(BERT, laneOf(2), 1);
  const goOn = holdUp(books);
  let reads = 0;
  books.tellReads = (answers) => {
    reads += 1;
    return answers;
  };
  const asked = Array.from({ length: 20 }, () => settlement.settlePayer(BERT.address));
  await until(() => books.batches.length === 1);
  goOn();
  await Promise.all(asked);
  assert.equal(books.batches.length, 1);
  assert.ok(reads <= 2, `${reads} reads`);
});

Deno.test("what becomes due during a round is the next one's, so a round ends", async () => {
  await using books = await openSettlingBooks();
  const { settlement, use, ledger } = books;
  await use(ANNA, laneOf(1), 1);
  let more = 1;
  books.carry = async (send) => {
    // Whoever calls while a batch is mined has the next round's turn, however often it calls.
    if (more < 50) await use(ANNA, laneOf(++more), 1);
    return await send();
  };
  await settlement.settleNow();
  assert.equal(books.batches.length, 1);
  assert.equal((await ledger.due()).length, 1);
});

Deno.test("a round does not wait for a batch to be mined before the next is out", async () => {
  await using books = await openSettlingBooks();
  const { settlement, use, ledger } = books;
  for (let n = 1; n <= 241; n++) await use(ANNA, laneOf(n), 1);
  const goOn = holdUp(books);
  const settled = settlement.settleNow();
  await until(() => books.batches.length === 3);
  assert.deepEqual(books.batches.map((rows) => rows.length), [120, 120, 1]);
  // Who asks again meanwhile sends nothing twice.
  await use(BERT, laneOf(900), 1);
  const again = settlement.settleNow();
  await until(() => books.batches.length === 4);
  assert.deepEqual(batchesOf(books)[3], [{ payer: BERT.address, lane: laneOf(900) }]);
  goOn();
  await Promise.all([settled, again]);
  assert.deepEqual(await ledger.due(), []);
});

Deno.test("who asks for a settlement waits also for what was on its way", async () => {
  await using books = await openSettlingBooks();
  const { settlement, use, ledger } = books;
  const goOn = holdUp(books);
  await use(ANNA, laneOf(1), 1);
  settlement.settlePayer(ANNA.address);
  await until(() => books.batches.length === 1);
  const settled = settlement.settleNow().then(async () => (await ledger.due()).length);
  await until(() => books.looks === 1);
  goOn();
  assert.equal(await settled, 0);
});

Deno.test("what a lane owes beside what is on its way goes on where that ends", async () => {
  await using books = await openSettlingBooks();
  const { settlement, use, ledger } = books;
  await use(ANNA, laneOf(1), 2, { price: 5n });
  const goOn = holdUp(books);
  const first = settlement.settleNow();
  await until(() => books.batches.length === 1);
  await use(ANNA, laneOf(1), 1, { price: 7n });
  const second = settlement.settleNow();
  await until(() => books.batches.length === 2);
  const rows = books.batches[1]!.map(({ credits, price }) => [credits, price]);
  assert.deepEqual(rows, [[3n, 7n]]);
  goOn();
  await Promise.all([first, second]);
  assert.deepEqual(await ledger.due(), []);
});

Deno.test("a round that waits for room lets others go first, and is taken up after them", async () => {
  // A row a batch, of which eight are out at once.
  const blockGas = 2n * (BATCH_GAS + NEW_ROW_GAS);
  await using books = await openSettlingBooks({ blockGas });
  const { settlement, use, ledger } = books;
  for (let n = 1; n <= 9; n++) await use(ANNA, laneOf(n), 1);
  const goOn = holdUp(books);
  const all = settlement.settleDue();
  await until(() => books.batches.length === 8);
  await use(BERT, laneOf(900), 1);
  const berts = settlement.settlePayer(BERT.address);
  await until(() => books.looks === 1);
  goOn();
  await Promise.all([all, berts]);
  assert.deepEqual([await ledger.due(), books.batches.length], [[], 10]);
  assert.equal(books.batches[8]![0]!.permit.lane, laneOf(900));
});

Deno.test("what cannot wait goes once more when it is stuck with what could", async () => {
  await using books = await openSettlingBooks();
  const { settlement, use } = books;
  books.now = 1_000_000;
  await use(ANNA, laneOf(1), 1);
  await use(BERT, laneOf(900), 1, { deadline: 1_200n });
  const goOn = holdUp(books);
  books.now = 1_081_000;
  const first = settlement.settleDue();
  await until(() => books.batches.length === 1);
  books.now += 120_000;
  const second = settlement.settleDue();
  await until(() => books.batches.length === 2);
  assert.deepEqual(batchesOf(books)[1], [{ payer: BERT.address, lane: laneOf(900) }]);
  goOn();
  await Promise.all([first, second]);
});

Deno.test("what a row costs is known while nothing is due", async () => {
  await using books = await openSettlingBooks({ coinPrice: COSTLY.coinPrice });
  const { settlement, use } = books;
  books.gasPrice = COSTLY.gasPrice;
  await use(ANNA, laneOf(1), 2, { price: 100n });
  await settlement.settleNow();
  const worth = settlement.rowWorth();
  assert.ok(worth > 0n);
  await settlement.settleNow();
  assert.equal(settlement.rowWorth(), worth);
});

Deno.test("a charge starts nothing while what is due is on its way, or not worth its gas", async () => {
  await using books = await openSettlingBooks({ amount: PRICE, coinPrice: COSTLY.coinPrice });
  const { settlement, use } = books;
  const goOn = holdUp(books);
  await use(ANNA, laneOf(1), 1);
  settlement.noticeCharge();
  await until(() => books.batches.length === 1);
  settlement.noticeCharge();
  assert.equal(books.looks, 1);
  books.gasPrice = COSTLY.gasPrice;
  await use(BERT, laneOf(2), 1);
  settlement.noticeCharge();
  await until(() => books.looks === 2);
  await new Promise((resolve) => setImmediate(resolve));
  await use(BERT, laneOf(3), 1);
  settlement.noticeCharge();
  await until(() => books.looks === 3);
  assert.equal(books.batches.length, 1, "dust waits");
  goOn();
});

Deno.test("a debt waits until it is worth ten times its gas, and is asked for at once its gas", async () => {
  await using books = await openSettlingBooks({ coinPrice: COSTLY.coinPrice, amount: 1n });
  const { settlement, use } = books;
  books.gasPrice = COSTLY.gasPrice;
  // A row costs 40 base units, a batch 60 besides.
  await use(ANNA, laneOf(1), 1, { price: 100n });
  settlement.noticeCharge();
  await until(() => books.looks === 1);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(books.batches.length, 0);
  await settlement.settleNow();
  assert.equal(books.batches.length, 1);
  await use(ANNA, laneOf(1), 9, { price: 100n });
  books.now = 10_000;
  settlement.noticeCharge();
  await until(() => books.looks === 3);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(books.batches.length, 1);
  await use(ANNA, laneOf(1), 2, { price: 100n });
  settlement.noticeCharge();
  await until(() => books.batches.length === 2);
});

Deno.test("no more is spent than comes in, also for what cannot wait", async () => {
  await using books = await openSettlingBooks({ coinPrice: COSTLY.coinPrice });
  const { settlement, use } = books;
  books.gasPrice = COSTLY.gasPrice;
  await use(ANNA, laneOf(1), 1, { price: 50n, deadline: 130n });
  await settlement.settleNow();
  assert.equal(books.batches.length, 0);
  await use(ANNA, laneOf(1), 1, { price: 50n, deadline: 130n });
  await settlement.settleNow();
  assert.equal(books.batches.length, 1);
  const [{ rank, costMax, gasMin }] = books.sendings as [typeof books.sendings[0]];
  assert.equal(rank, "settlement");
  assert.equal(costMax, 100n * 10n ** 12n, "what it brings");
  assert.equal(gasMin, BATCH_GAS + NEW_ROW_GAS);
});

Deno.test("dust has waited long enough after some hours", async () => {
  await using books = await openSettlingBooks({
    coinPrice: COSTLY.coinPrice,
    intervalMs: 2 ** 31 - 1,
    amount: 1n,
  });
  const { settlement, use } = books;
  books.gasPrice = COSTLY.gasPrice;
  await use(ANNA, laneOf(1), 1, { price: 100n });
  settlement.noticeCharge();
  await until(() => books.looks === 1);
  assert.equal(books.batches.length, 0);
  books.now = DUST_SECONDS * 1_000;
  await use(ANNA, laneOf(1), 1, { price: 100n });
  settlement.noticeCharge();
  await until(() => books.batches.length === 1);
});

Deno.test("a permit must leave more time, and rows get no room, as the backlog grows", async () => {
  await using books = await openSettlingBooks();
  const { settlement, use, capacity } = books;
  capacity.noteBlock({ number: 1n, timestamp: 1n, gasLimit: 2n * (BATCH_GAS + NEW_ROW_GAS) });
  assert.equal(settlement.windowSeconds(), 120n);
  assert.equal(settlement.backlog(0), null);
  // One row a block, a block in 12 s.
  for (let n = 1; n <= 5; n++) await use(ANNA, laneOf(n), 1);
  assert.equal(settlement.windowSeconds(), 120n + 2n * 60n);
  assert.equal(settlement.backlog(0), null);
  assert.equal(settlement.backlog(100), 36, "who has many due leaves the rest to others");
  for (let n = 6; n <= 10; n++) await use(ANNA, laneOf(n), 1);
  assert.equal(settlement.backlog(0), 66);
  await settlement.settleNow();
  assert.equal(settlement.backlog(100), null);
});

Deno.test("what is behind by more than the window is told", async () => {
  await using books = await openSettlingBooks({ intervalMs: 60_000 });
  const { settlement, use } = books;
  await use(ANNA, laneOf(1), 1);
  assert.deepEqual(settlement.alarms(), []);
  books.now = 200_000;
  await settlement.settleNow();
  assert.deepEqual(settlement.alarms(), ["settlement is 140 s behind"]);
  await settlement.settleNow();
  assert.deepEqual(settlement.alarms(), []);
});

Deno.test("what is used while a batch is mined and still out is settled by who asks now", async () => {
  await using books = await openSettlingBooks();
  const { settlement, use, stateOf } = books;
  const lane = laneOf(1);
  await use(ANNA, lane, 5);
  const noted = Promise.withResolvers<void>();
  const goesOn = Promise.withResolvers<void>();
  books.carry = async (send) => {
    books.carry = (send) => send();
    const receipt = await send();
    noted.resolve();
    await goesOn.promise;
    return receipt;
  };
  const first = settlement.settleNow();
  await noted.promise;
  assert.equal((await stateOf(ANNA, lane)).settled, 5n, "the book has heard of it");
  await use(ANNA, lane, 3);
  const second = settlement.settleNow();
  await until(() => books.looks === 2);
  // Whatever is ready has had its turn: what is due was held against what is out.
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  goesOn.resolve();
  await Promise.all([first, second]);
  assert.equal((await stateOf(ANNA, lane)).settled, 8n);
});

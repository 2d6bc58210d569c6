/** Settlement between the real ledger and operator, and the escrow on a chain in memory. */
import assert from "node:assert/strict";
import { mock } from "node:test";
import type { Hex, TransactionReceipt } from "viem";
import { rpcError } from "../../../worlds/chain/fake_chain.ts";
import {
  ANNA,
  BERT,
  CREDITS,
  linesOf,
  openSettlingBooks,
  paper,
  PRICE,
  PRICE_MAX,
  type SettlingBooks,
} from "../../../worlds/chain/settling_books.ts";

const [LANE, OTHER]: [Hex, Hex] = [`0x${"0a".repeat(32)}`, `0x${"0b".repeat(32)}`];

/** The refusals that were logged. */
function refusalsIn(books: SettlingBooks) {
  return linesOf(books, "the escrow refused to settle a lane")
    .map(({ level, lane, reason, transaction }) => ({ level, lane, reason, transaction }));
}

/** Why settlements were put off, as it was logged. */
function putOffs(books: SettlingBooks): string[] {
  return linesOf(books, "settlement put off").map(({ error }) => error.message);
}

/** What is ready to happen has happened. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

Deno.test("a lane has a row for each price, in the order of use, beside its payer's others", async () => {
  await using books = await openSettlingBooks();
  const { settlement, batches, use, stateOf } = books;
  await use(ANNA, LANE, 2);
  await use(BERT, LANE, 1);
  await use(ANNA, OTHER, 1);
  await use(ANNA, LANE, 1, { price: 7n });
  await use(ANNA, LANE, 1);
  books.tellDue = (due) => Promise.resolve(due.sort((a, b) => a.lane < b.lane ? -1 : 1));
  await settlement.settleNow();
  const [rows] = batches.map((batch) => batch.map(paper));
  const [anna, bert] = [ANNA.address, BERT.address];
  assert.deepEqual(rows!.filter(({ lane, payer }) => payer === anna && lane === LANE), [
    { payer: anna, lane: LANE, credits: 2n, price: PRICE },
    { payer: anna, lane: LANE, credits: 3n, price: 7n },
    { payer: anna, lane: LANE, credits: 4n, price: PRICE },
  ]);
  const payers = rows!.map(({ payer }) => payer).join();
  const annas = Array(4).fill(anna);
  assert.ok([[bert, ...annas], [...annas, bert]].some((order) => order.join() === payers), payers);
  assert.equal(batches.length, 1);
  assert.equal((await stateOf(ANNA, LANE)).settled, 4n);
  assert.equal((await stateOf(ANNA, OTHER)).settled, 1n);
  assert.equal((await stateOf(BERT, LANE)).settled, 1n);
  assert.deepEqual(linesOf(books, "settled").map(({ rows }) => rows), [5]);
});

Deno.test("what is settled is not sent again, and the next row goes on where it ended", async () => {
  await using books = await openSettlingBooks();
  const { settlement, batches, use } = books;
  await settlement.settleNow();
  assert.equal(batches.length, 0, "nothing was due");
  await use(ANNA, LANE, 2);
  await settlement.settleNow();
  await settlement.settleNow();
  assert.equal(batches.length, 1);
  await use(ANNA, LANE, 1, { price: 7n });
  await settlement.settleNow();
  assert.deepEqual(batches[1]!.map(paper), [
    { payer: ANNA.address, lane: LANE, credits: 3n, price: 7n },
  ]);
});

Deno.test("a batch has at most 120 rows, and the rest follows at once", async () => {
  await using books = await openSettlingBooks();
  const { settlement, batches, use, ledger } = books;
  const lanes = Array.from({ length: 121 }, (_, n): Hex => `0x${String(n).padStart(64, "0")}`);
  for (const lane of lanes) await use(ANNA, lane, 1);
  await settlement.settleNow();
  assert.deepEqual(batches.map((rows) => rows.length), [120, 1]);
  assert.deepEqual(await ledger.due(), []);
  assert.equal(books.fake.allowanceOf(ANNA.address).credits, CREDITS - 121n);
});

Deno.test("a row that was charged already brings our counter level, and is not refused", async () => {
  await using books = await openSettlingBooks();
  const { settlement, batches, use, stateOf } = books;
  await use(ANNA, LANE, 2);
  books.isMute = true;
  await settlement.settleNow();
  books.isMute = false;
  assert.equal((await stateOf(ANNA, LANE)).settled, 0n);
  await settlement.settleNow();
  assert.equal(batches.length, 2);
  const { settled, refused } = await stateOf(ANNA, LANE);
  assert.deepEqual([settled, refused], [2n, null]);
  assert.deepEqual(refusalsIn(books), []);
  assert.equal(books.fake.allowanceOf(ANNA.address).credits, CREDITS - 2n);
});

Deno.test("a row that another settlement of its lane overtook is passed over, unasked", async () => {
  await using books = await openSettlingBooks();
  const { fake, settlement, use, stateOf } = books;
  await use(ANNA, LANE, 2);
  let questions = 0;
  books.carry = async (send) => {
    await send();
    fake.intercept = ({ method }) => {
      if (method === "eth_call") questions += 1;
      return Promise.resolve(undefined);
    };
    return await send();
  };
  await settlement.settleNow();
  assert.equal(questions, 0);
  const { settled, refused } = await stateOf(ANNA, LANE);
  assert.deepEqual([settled, refused], [2n, null]);
});

Deno.test("an allowance that covers a part pays that part, and the rest is refused", async () => {
  await using books = await openSettlingBooks();
  const { fake, settlement, batches, use, stateOf } = books;
  await use(ANNA, LANE, 2);
  await use(ANNA, LANE, 2, { price: 7n });
  await use(BERT, LANE, 1);
  fake.allow(ANNA.address, PRICE_MAX, 3n);
  const mined: Hex[] = [];
  books.carry = async (send) => {
    const receipt = await send();
    mined.push(receipt.transactionHash);
    return receipt;
  };
  await settlement.settleNow();
  const rest = { payer: ANNA.address, lane: LANE, credits: 3n, price: 7n };
  assert.deepEqual(batches.slice(1).map((rows) => rows.map(paper)), [[rest]]);
  const { settled, refused } = await stateOf(ANNA, LANE);
  assert.deepEqual([settled, refused], [3n, "InsufficientCredits"]);
  // The batch in which that showed is the proof of it.
  const refusal = { level: "error", lane: LANE, reason: refused, transaction: mined[0] };
  assert.deepEqual(refusalsIn(books), [refusal]);
  assert.equal((await stateOf(BERT, LANE)).settled, 1n);
  await settlement.settleNow();
  assert.equal(batches.length, 2, "what is refused is not sent again");
});

Deno.test("lanes that share what is left of an allowance take it to the last credit", async () => {
  await using books = await openSettlingBooks();
  const { fake, settlement, use, stateOf } = books;
  await use(ANNA, LANE, 3);
  await use(ANNA, OTHER, 3);
  fake.allow(ANNA.address, PRICE_MAX, 4n);
  await settlement.settleNow();
  assert.equal(fake.allowanceOf(ANNA.address).credits, 0n);
  const lanes = [await stateOf(ANNA, LANE), await stateOf(ANNA, OTHER)];
  assert.equal(lanes[0]!.settled + lanes[1]!.settled, 4n);
  for (const { settled, refused } of lanes) {
    assert.equal(refused, settled < 3n ? "InsufficientCredits" : null);
  }
  assert.deepEqual(putOffs(books), []);
});

Deno.test("an allowance of nothing refuses the lane at once", async () => {
  await using books = await openSettlingBooks();
  const { fake, settlement, batches, use, stateOf } = books;
  await use(ANNA, LANE, 1);
  fake.allow(ANNA.address, PRICE_MAX, 0n);
  await settlement.settleNow();
  assert.equal(batches.length, 1);
  assert.equal((await stateOf(ANNA, LANE)).refused, "InsufficientCredits");
});

Deno.test("an allowance that grows while it is looked at pays all, and nothing is refused", async () => {
  await using books = await openSettlingBooks();
  const { fake, settlement, use, stateOf } = books;
  await use(ANNA, LANE, 3);
  fake.allow(ANNA.address, PRICE_MAX, 2n);
  books.carry = async (send) => {
    const receipt = await send();
    if (books.batches.length === 1) fake.allow(ANNA.address, PRICE_MAX, 10n);
    return receipt;
  };
  await settlement.settleNow();
  const { settled, refused } = await stateOf(ANNA, LANE);
  assert.deepEqual([settled, refused], [3n, null]);
});

Deno.test("an endpoint that shows credits that are gone does not keep a settlement going", async () => {
  await using books = await openSettlingBooks();
  const { fake, settlement, batches, use, stateOf } = books;
  await use(ANNA, LANE, 3);
  fake.allow(ANNA.address, PRICE_MAX, 0n);
  books.tellReads = (allowances) =>
    allowances.map((held) => ({ ...held as object, pricePerCredit: PRICE_MAX, credits: 2n }));
  await settlement.settleNow();
  assert.deepEqual(batches.map(([row]) => row!.credits), [3n, 2n]);
  assert.deepEqual(refusalsIn(books).map(({ reason }) => reason), ["InsufficientCredits"]);
  assert.equal((await stateOf(ANNA, LANE)).refused, "InsufficientCredits");
});

Deno.test("what a settlement that broke off knew of an allowance is not held against the next", async () => {
  await using books = await openSettlingBooks();
  const { fake, settlement, batches, use, stateOf } = books;
  await use(ANNA, LANE, 3);
  fake.allow(ANNA.address, PRICE_MAX, 2n);
  books.carry = (send) => batches.length === 1 ? send() : Promise.reject(new Error("lost"));
  await settlement.settleNow();
  assert.deepEqual(putOffs(books), ["lost"]);
  fake.allow(ANNA.address, PRICE_MAX, 10n);
  settlement.revive(ANNA.address);
  books.carry = (send) => send();
  await settlement.settleNow();
  const { settled, refused } = await stateOf(ANNA, LANE);
  assert.deepEqual([settled, refused], [3n, null]);
});

Deno.test("any other reason of the escrow refuses the lane, and no other lane", async () => {
  await using books = await openSettlingBooks();
  const { fake, settlement, batches, use, stateOf } = books;
  await use(ANNA, LANE, 1, { signer: BERT });
  await use(ANNA, OTHER, 1);
  await use(BERT, LANE, 1, { price: 7n });
  fake.allow(BERT.address, 6n, CREDITS);
  await settlement.settleNow();
  await settlement.settleNow();
  assert.equal(batches.length, 1);
  assert.equal((await stateOf(ANNA, LANE)).refused, "InvalidSignature");
  assert.equal((await stateOf(BERT, LANE)).refused, "PriceTooHigh");
  const { settled, refused } = await stateOf(ANNA, OTHER);
  assert.deepEqual([settled, refused], [1n, null]);
});

Deno.test("a lane is brought level with the escrow as of a block that knows it", async () => {
  await using books = await openSettlingBooks();
  const { fake, settlement, use, stateOf, ledger } = books;
  await use(ANNA, LANE, 3);
  fake.allow(ANNA.address, PRICE_MAX, 1n);
  await settlement.settleNow();
  assert.equal((await stateOf(ANNA, LANE)).refused, "InsufficientCredits");
  const payer = ANNA.address;
  await ledger.record([{ fact: "level", payer, lane: LANE, settled: 2n, block: 1n }]);
  for (const _ of [1, 2]) {
    const height = fake.height();
    // What is read is the state of the block that was asked for first, whatever comes meanwhile.
    fake.intercept = async ({ method }) => {
      if (method === "eth_call") await fake.mine();
      return undefined;
    };
    await settlement.level([{ payer, lane: LANE }]);
    const { settled, settledBlock, refused } = await stateOf(ANNA, LANE);
    assert.deepEqual([settled, settledBlock, refused], [1n, height, null]);
  }
  fake.intercept = null;
  fake.allow(payer, PRICE_MAX, 10n);
  await settlement.settleNow();
  assert.equal((await stateOf(ANNA, LANE)).settled, 3n);
});

Deno.test("a receipt without its events is put off: the same is not sent for ever", async () => {
  await using books = await openSettlingBooks();
  const { settlement, batches, use, stateOf } = books;
  await use(ANNA, LANE, 1);
  books.isMute = true;
  await settlement.settleNow();
  assert.equal(batches.length, 1);
  assert.deepEqual(putOffs(books), ["the chain does not tell what became of the batch"]);
  books.isMute = false;
  await settlement.settleNow();
  assert.equal((await stateOf(ANNA, LANE)).settled, 1n);
});

Deno.test("a batch that reverted, or a chain out of reach, is put off and the next one goes on", async () => {
  await using books = await openSettlingBooks();
  const { fake, settlement, use, stateOf } = books;
  await use(ANNA, LANE, 1);
  books.carry = () => Promise.resolve({ status: "reverted" } as TransactionReceipt);
  await settlement.settleNow();
  books.carry = (send) => send();
  fake.intercept = () => Promise.reject(rpcError("down"));
  await settlement.settleNow();
  assert.deepEqual(putOffs(books), [
    "the batch reverted",
    "the chain at fake did not answer: down",
  ]);
  const { settled, refused } = await stateOf(ANNA, LANE);
  assert.deepEqual([settled, refused], [0n, null]);
  fake.intercept = null;
  await settlement.settleNow();
  assert.equal((await stateOf(ANNA, LANE)).settled, 1n);
});

Deno.test("who asks while a round is under way has what is due then settled too", async () => {
  await using books = await openSettlingBooks();
  const { settlement, batches, use, stateOf } = books;
  const [isOut, goesOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await use(ANNA, LANE, 1);
  books.tellDue = async (due) => {
    if (books.looks === 1) {
      isOut.resolve();
      await goesOn.promise;
    }
    return due;
  };
  const first = settlement.settleNow();
  await isOut.promise;
  await use(ANNA, OTHER, 1);
  const others = [settlement.settleNow(), settlement.settleNow()];
  goesOn.resolve();
  await Promise.all(others);
  assert.equal((await stateOf(ANNA, OTHER)).settled, 1n);
  await first;
  assert.equal(batches.length, 2, "the first round's snapshot was taken before");
  assert.equal(books.looks, 2, "asking twice is asking once");
});

Deno.test("a charge settles at once when the amount is due, and not before", async () => {
  await using books = await openSettlingBooks({ amount: 3n * PRICE });
  const { settlement, batches, use, heard } = books;
  await use(ANNA, LANE, 1);
  await use(ANNA, OTHER, 1);
  settlement.noticeCharge();
  assert.equal(books.looks, 0);
  await use(ANNA, OTHER, 1);
  const settled = heard.logged("settled");
  settlement.noticeCharge();
  assert.equal(books.looks, 1);
  assert.equal((await settled).rows, 2);
  assert.equal(batches.length, 1);
});

Deno.test("what is due is settled every so often, until the books are closed", async () => {
  mock.timers.enable({ apis: ["setInterval"] });
  using _ = { [Symbol.dispose]: () => mock.timers.reset() };
  await using books = await openSettlingBooks({ intervalMs: 60_000 });
  const { settlement, batches, use, heard } = books;
  for (const round of [1, 2]) {
    await use(ANNA, LANE, 1);
    mock.timers.tick(59_999);
    assert.equal(batches.length, round - 1);
    const settled = heard.logged("settled");
    mock.timers.tick(1);
    await settled;
    // It looks whether more is due before it ends.
    await settlement.settleNow();
  }
  await settlement.close();
  const { looks } = books;
  mock.timers.tick(600_000);
  assert.equal(books.looks, looks);
});

Deno.test("closing settles what is due, and waits for its batch no longer than it may", async () => {
  await using books = await openSettlingBooks({ closeWaitMs: 5_000 });
  const { settlement, batches, use, stateOf } = books;
  await use(ANNA, LANE, 1);
  await settlement.close();
  assert.equal((await stateOf(ANNA, LANE)).settled, 1n);
  await use(ANNA, LANE, 1);
  const lost = Promise.withResolvers<never>();
  books.carry = () => lost.promise;
  mock.timers.enable({ apis: ["setTimeout"] });
  using _ = { [Symbol.dispose]: () => mock.timers.reset() };
  let isClosed = false;
  const closed = settlement.close().then(() => isClosed = true);
  await turn();
  assert.equal(batches.length, 2);
  mock.timers.tick(4_999);
  await turn();
  assert.ok(!isClosed);
  mock.timers.tick(1);
  await closed;
  lost.reject(new Error("never mined"));
});

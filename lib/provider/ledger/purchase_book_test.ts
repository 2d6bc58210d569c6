/**
 * The book of single payments, in both stores. Its promises: a payment is one purchase, of one
 * request, with one run at a time and one answer (I2); what is paid and not answered is answered
 * again (I3); what a payer's payments may take is never more than it was seen to hold (I5).
 */
import assert from "node:assert/strict";
import { getAddress, pad } from "viem";
import { PURCHASE_KEPT_MS, PURCHASE_UNPAID_KEPT_MS } from "../../limits_of_exact.ts";
import { startFleetServer } from "../../../worlds/fleet_database.ts";
import {
  ANNA,
  ASSET,
  BLOCK,
  type BookWorld,
  CID,
  idOf,
  orderOf,
  postgresBook,
  PROVIDER,
  reasonOf,
  RICH,
  sqliteBook,
  TX,
} from "../../../worlds/purchase_books.ts";
import type { Funds } from "./purchase_book.ts";
import type { Order } from "./purchase_rows.ts";

const SERVER = await startFleetServer();

function testBooks(name: string, use: (world: BookWorld) => Promise<void>): void {
  Deno.test(`${name} (SQLite)`, async () => {
    await using world = await sqliteBook();
    await use(world);
  });
  Deno.test({
    name: `${name} (PostgreSQL)`,
    ignore: SERVER === null,
    async fn() {
      await using world = await postgresBook(SERVER!);
      await use(world);
    },
  });
}

testBooks("a payment is for the request that it came with first", async ({ book }) => {
  const order = orderOf(1);
  const id = idOf(await book.order(order, RICH));
  await book.letGo(id);
  const others: Partial<Order>[] = [
    { request: new Uint8Array([2]) },
    { request: new Uint8Array([1, 3]) },
    { request: new Uint8Array([1, 2, 0]) },
    { request: new Uint8Array([1]) },
    { cid: CID.replace(/a$/, "e") as Order["cid"] },
    { signature: "0x52" },
  ];
  for (const change of others) {
    assert.equal(reasonOf(await book.order({ ...order, ...change }, RICH)), "used");
  }
  assert.equal(idOf(await book.order(order, RICH)), id);
  assert.deepEqual((await book.get(id)).authorization, order.authorization);
  assert.equal(await book.find(orderOf(2).authorization), null);
});

testBooks("it pays for one run at a time, and for one answer", async ({ book }) => {
  const order = orderOf(1);
  const id = idOf(await book.order(order, RICH));
  assert.equal(reasonOf(await book.order(order, RICH)), "running");
  await book.paid(id, TX, BLOCK);
  assert.equal(reasonOf(await book.order(order, null)), "running");
  await book.letGo(id);
  assert.equal(idOf(await book.order(order, null)), id);
  await book.answered(id, "answered", null);
  await book.letGo(id);
  assert.equal(reasonOf(await book.order(order, null)), "answered");
  await book.answered(id, "failed", null).catch(() => {});
  assert.equal((await book.get(id)).outcome, "answered");
});

testBooks(
  "once it is out it is whose it was, as all the world can read it on chain",
  async ({ book }) => {
    const [own, others] = [1, 2].map((n) => orderOf(1, { key: new Uint8Array([7, n]) }));
    const keyless = orderOf(1);
    const id = idOf(await book.order(own!, RICH));
    for (const order of [others!, keyless, own!]) {
      await book.letGo(id);
      assert.equal(idOf(await book.order(order, RICH)), id, "nobody else knew it by then");
    }
    await book.letGo(id);
    await book.sending(id);
    const told = async () => {
      for (const order of [others!, keyless]) {
        assert.equal(reasonOf(await book.order(order, null)), "elsewhere");
      }
      assert.equal(idOf(await book.order(own!, null)), id);
      await book.letGo(id);
    };
    await told();
    await book.sent(id, TX);
    await book.unsent(id);
    await told();
    await book.paid(id, TX, BLOCK);
    await told();
  },
);

testBooks("what is void buys nothing, and the money brings it back", async ({ book }) => {
  const order = orderOf(1);
  const id = idOf(await book.order(order, RICH));
  await book.sending(id);
  await book.void(id);
  await book.letGo(id);
  assert.equal(reasonOf(await book.order(order, RICH)), "void");
  await book.paid(id, TX, BLOCK);
  assert.equal(idOf(await book.order(order, null)), id);
  await book.void(id);
  assert.equal((await book.get(id)).state, "paid", "money that came was written off");
});

testBooks("payments under way are no more than their payer holds", async (world) => {
  const { book } = world;
  const held: Funds = { balance: 30n, since: 0 };
  const ids = [];
  for (const n of [1, 2, 3]) ids.push(idOf(await book.order(orderOf(n), held)));
  const fourth = await book.order(orderOf(4), held);
  assert.deepEqual(fourth, { refusal: { reason: "unfunded", balance: 30n, promised: 30n } });
  assert.equal(await book.find(orderOf(4).authorization), null);
  const other = getAddress(pad("0xcc", { size: 20 }));
  idOf(await book.order(orderOf(4, {}, other), held));
  // One that is sent counts when its run has long ended, one that was never sent does not.
  await book.sending(ids[0]!);
  for (const id of ids) await book.letGo(id);
  assert.equal(await book.promised(ANNA, Infinity), 10n);
  // What was paid since the balance was read may be in it still.
  await world.setClock(5_000);
  await book.paid(ids[0]!, TX, BLOCK);
  assert.equal(await book.promised(ANNA, 5_000), 10n);
  assert.equal(await book.promised(ANNA, 5_001), 0n);
  const seen = (since: number): Funds => ({ balance: 10n, since });
  assert.equal(reasonOf(await book.order(orderOf(5), seen(5_000))), "unfunded");
  idOf(await book.order(orderOf(5), seen(5_001)));
});

testBooks(
  "one that nobody has taken is free again, one that was answered for is owed",
  async ({ book }) => {
    const [open, owed] = [
      idOf(await book.order(orderOf(1), RICH)),
      idOf(await book.order(orderOf(2), RICH)),
    ];
    for (const id of [open, owed]) await book.sending(id);
    await book.sent(open, TX);
    await book.paid(owed, TX, BLOCK);
    await book.answered(owed, "answered", null);
    await book.letGo(open);
    await book.letGo(owed);
    assert.deepEqual([await book.isAnswering(open), await book.isAnswering(owed)], [false, true]);
    await book.doubt(owed);
    assert.deepEqual((await book.underWay()).map(({ id }) => id), [open, owed]);
    await book.unsent(open);
    await book.unsent(owed);
    assert.deepEqual((await book.underWay()).map(({ id }) => id), [owed]);
    assert.equal((await book.get(open)).transaction, TX);
    assert.equal((await book.get(owed)).paidIn, null);
    idOf(await book.order(orderOf(1), RICH));
    assert.ok(await book.isAnswering(open));
  },
);

testBooks("what blocks told of is known by them", async ({ book }) => {
  for (const n of [8, 9, 10]) {
    const id = idOf(await book.order(orderOf(n), RICH));
    await book.paid(id, TX, { number: BigInt(n), hash: pad("0x1") });
  }
  const above = async (block: bigint) =>
    (await book.restingAbove(block)).map(({ paidIn }) => paidIn!.number);
  assert.deepEqual(await above(7n), [8n, 9n, 10n]);
  assert.deepEqual(await above(9n), [10n]);
  assert.deepEqual(await above(10n), []);
});

testBooks("under a key a client that signs anew gets what it has paid for", async ({ book }) => {
  const key = new Uint8Array([9]);
  const first = orderOf(1, { key });
  const id = idOf(await book.order(first, RICH));
  await book.letGo(id);
  // Nothing was sent for the first: the second is a purchase of its own.
  const second = idOf(await book.order(orderOf(2, { key }), RICH));
  assert.notEqual(second, id);
  await book.letGo(second);
  await book.sending(second);
  const third = orderOf(3, { key });
  assert.equal(idOf(await book.order(third, RICH)), second);
  assert.equal(reasonOf(await book.order(third, RICH)), "running");
  assert.equal(await book.find(third.authorization), null, "the other one is the payer's still");
  await book.letGo(second);
  await book.paid(second, TX, BLOCK);
  const elses: Order[] = [
    { ...third, request: new Uint8Array([3]) },
    { ...third, cid: CID.replace(/a$/, "e") as Order["cid"] },
    orderOf(3, { key }, PROVIDER),
    { ...third, key: new Uint8Array([8]) },
  ];
  for (const [n, other] of elses.entries()) {
    const nonce = pad(`0x${(100 + n).toString(16)}`);
    const authorization = { ...other.authorization, nonce };
    assert.notEqual(idOf(await book.order({ ...other, authorization }, RICH)), second);
  }
  idOf(await book.order(third, RICH));
  await book.answered(second, "answered", null);
  await book.letGo(second);
  assert.notEqual(idOf(await book.order(third, RICH)), second);
});

testBooks(
  "the same nonce on another chain, or of another token, is another payment",
  async (world) => {
    const order = orderOf(1);
    const id = idOf(await world.book.order(order, RICH));
    for (const [chainId, asset] of [[8_453, ASSET], [31_337, PROVIDER]] as const) {
      const other = world.open(chainId, asset);
      assert.equal(await other.find(order.authorization), null);
      assert.notEqual(idOf(await other.order(order, RICH)), id);
    }
  },
);

testBooks("figures say what is sent, since when, and what is owed", async (world) => {
  const { book } = world;
  assert.deepEqual(await world.figures(), { sent: 0, oldestMs: 0, unanswered: 0 });
  const ids = [];
  for (const n of [1, 2, 3]) ids.push(idOf(await book.order(orderOf(n), RICH)));
  await world.setClock(2_000);
  await book.sending(ids[0]!);
  await world.setClock(3_000);
  await book.sending(ids[1]!);
  await book.sending(ids[0]!);
  await book.paid(ids[2]!, TX, BLOCK);
  await world.setClock(4_500);
  assert.deepEqual(await world.figures(), { sent: 2, oldestMs: 2_500, unanswered: 1 });
  await book.answered(ids[2]!, "answered", null);
  assert.equal((await world.figures()).unanswered, 0);
});

testBooks(
  "rows go after their time: soon where nobody paid, never while one is under way",
  async (world) => {
    const { book } = world;
    const order = async (n: number) => idOf(await book.order(orderOf(n), RICH));
    const ids = {
      left: await order(1),
      cancelled: await order(2),
      running: await order(3),
      under: await order(4),
      once: await order(5),
      paid: await order(6),
    };
    for (const [name, id] of Object.entries(ids)) if (name !== "running") await book.letGo(id);
    await book.void(ids.cancelled);
    await book.sending(ids.under);
    await book.sending(ids.once);
    await book.sent(ids.once, TX);
    await book.unsent(ids.once);
    await book.paid(ids.paid, TX, BLOCK);
    let next = 10;
    const left = async (atMs: number) => {
      await world.setClock(atMs);
      await world.purge();
      await book.letGo(await order(next++));
      const kept = [];
      for (const [name, id] of Object.entries(ids)) if (await book.numbered(id)) kept.push(name);
      return kept;
    };
    const all = Object.keys(ids);
    assert.deepEqual(await left(1_000 + PURCHASE_UNPAID_KEPT_MS - 1), all);
    const unpaid = ["running", "under", "once", "paid"];
    assert.deepEqual(await left(1_000 + 2 * PURCHASE_UNPAID_KEPT_MS), unpaid);
    assert.deepEqual(await left(PURCHASE_KEPT_MS), unpaid);
    await book.letGo(ids.running);
    assert.deepEqual(await left(1_000 + 2 * PURCHASE_KEPT_MS), ["under"]);
  },
);

testBooks("one that is not known begins where it may, and nowhere else", async ({ book }) => {
  const order = orderOf(1, { key: new Uint8Array([9]) });
  assert.equal(reasonOf(await book.order(order, RICH, false)), "forgotten");
  assert.equal(await book.find(order.authorization), null);
  const id = idOf(await book.order(order, RICH, true));
  await book.letGo(id);
  assert.equal(idOf(await book.order(order, RICH, false)), id);
  await book.letGo(id);
  await book.sending(id);
  // Not by another payment's key either.
  const other = { ...orderOf(2), key: order.key };
  assert.equal(reasonOf(await book.order(other, RICH, false)), "forgotten");
});

testBooks("what is left under way is freed, but for what is owed an answer", async ({ book }) => {
  const ids = [];
  for (const n of [1, 2, 3]) ids.push(idOf(await book.order(orderOf(n), RICH)));
  const [left, owed, running] = ids as [number, number, number];
  for (const id of ids) await book.sending(id);
  await book.answered(owed, "answered", null);
  for (const id of [left, owed]) await book.letGo(id);
  const freed = [];
  for (const id of ids) freed.push(await book.free(id));
  assert.deepEqual(freed, [true, false, false]);
  assert.deepEqual((await book.underWay()).map(({ id }) => id), [owed, running]);
  await book.void(left);
  assert.equal(await book.free(left), true);
  assert.equal((await book.get(left)).state, "void");
});

/**
 * The book of single payments. Its promises: a payment is one purchase, of one request, with one
 * run at a time and one answer (I2); what is paid and not answered is answered again (I3); what a
 * payer's payments may take is never more than it was seen to hold (I5).
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Address, getAddress, type Hex, pad } from "viem";
import { PURCHASE_KEPT_MS, PURCHASE_UNPAID_KEPT_MS } from "../../limits_of_exact.ts";
import { makeFolder } from "../../../worlds/home.ts";
import type { Order } from "./purchase_rows.ts";
import { type Funds, type Ordered, Purchases } from "./purchases.ts";

const ASSET = getAddress(pad("0xa5", { size: 20 }));
const ANNA = getAddress(pad("0xaa", { size: 20 }));
const PROVIDER = getAddress(pad("0xbb", { size: 20 }));
const CID = "bafkreidtfmd5zdgkztp6mgd2xgfqidlhmhamhkcgyxee3jvbpsrtwotasa" as Order["cid"];
const RICH: Funds = { balance: 1_000_000n, since: 0 };
const BLOCK = { number: 7n, hash: pad("0x77") };
const TX: Hex = pad("0x7a");

interface Book {
  readonly purchases: Purchases;
  nowMs: number;
  readonly path: string;
}

async function withBook(use: (book: Book) => Promise<void>): Promise<void> {
  await using folder = await makeFolder();
  const path = join(folder.dir, "purchases.db");
  const book = { nowMs: 1_000, path } as { -readonly [K in keyof Book]: Book[K] };
  book.purchases = open(book);
  try {
    await use(book);
  } finally {
    book.purchases.close();
  }
}

function open(book: Pick<Book, "nowMs" | "path">, chainId = 31_337, asset = ASSET): Purchases {
  return new Purchases({ path: book.path, chainId, asset, now: () => book.nowMs });
}

function orderOf(n: number, changes: Partial<Order> = {}, from: Address = ANNA): Order {
  return {
    authorization: {
      from,
      to: PROVIDER,
      value: 10n,
      validAfter: 0n,
      validBefore: 1n << 200n,
      nonce: pad(`0x${n.toString(16)}`),
    },
    signature: "0x51",
    cid: CID,
    request: new Uint8Array([1, 2]),
    key: null,
    block: 5n,
    ...changes,
  };
}

function idOf(ordered: Ordered): number {
  if ("purchase" in ordered) return ordered.purchase.id;
  throw new Error(`refused: ${ordered.refusal.reason}`);
}

function refusalOf(ordered: Ordered): string {
  if ("refusal" in ordered) return ordered.refusal.reason;
  throw new Error("taken");
}

Deno.test("a payment is for the request that it came with first", () =>
  withBook(async ({ purchases }) => {
    const order = orderOf(1);
    const id = idOf(await purchases.order(order, RICH));
    purchases.letGo(id);
    const others: Partial<Order>[] = [
      { request: new Uint8Array([2]) },
      { request: new Uint8Array([1, 3]) },
      { request: new Uint8Array([1, 2, 0]) },
      { request: new Uint8Array([1]) },
      { cid: CID.replace(/a$/, "e") as Order["cid"] },
      { signature: "0x52" },
    ];
    for (const change of others) {
      assert.equal(refusalOf(await purchases.order({ ...order, ...change }, RICH)), "used");
    }
    assert.equal(idOf(await purchases.order(order, RICH)), id);
    assert.deepEqual(purchases.get(id).authorization, order.authorization);
    assert.equal(purchases.find(orderOf(2).authorization), null);
  }));

Deno.test("it pays for one run at a time, and for one answer", () =>
  withBook(async ({ purchases }) => {
    const order = orderOf(1);
    const id = idOf(await purchases.order(order, RICH));
    assert.equal(refusalOf(await purchases.order(order, RICH)), "running");
    await purchases.paid(id, TX, BLOCK);
    assert.equal(refusalOf(await purchases.order(order, null)), "running");
    purchases.letGo(id);
    assert.equal(idOf(await purchases.order(order, null)), id);
    await purchases.answered(id, "answered", null);
    purchases.letGo(id);
    assert.equal(refusalOf(await purchases.order(order, null)), "answered");
    await purchases.answered(id, "failed", null);
    assert.equal(purchases.get(id).outcome, "answered");
  }));

Deno.test("once it is out it is whose it was, as all the world can read it on chain", () =>
  withBook(async ({ purchases }) => {
    const [own, others] = [1, 2].map((n) => orderOf(1, { key: new Uint8Array([7, n]) }));
    const keyless = orderOf(1);
    const id = idOf(await purchases.order(own!, RICH));
    for (const order of [others!, keyless, own!]) {
      purchases.letGo(id);
      assert.equal(idOf(await purchases.order(order, RICH)), id, "nobody else knew it by then");
    }
    purchases.letGo(id);
    await purchases.sending(id);
    const told = async () => {
      for (const order of [others!, keyless]) {
        assert.equal(refusalOf(await purchases.order(order, null)), "elsewhere");
      }
      assert.equal(idOf(await purchases.order(own!, null)), id);
      purchases.letGo(id);
    };
    await told();
    purchases.sent(id, TX);
    purchases.unsent(id);
    await told();
    await purchases.paid(id, TX, BLOCK);
    await told();
  }));

Deno.test("what is void buys nothing, and the money brings it back", () =>
  withBook(async ({ purchases }) => {
    const order = orderOf(1);
    const id = idOf(await purchases.order(order, RICH));
    await purchases.sending(id);
    purchases.void(id);
    purchases.letGo(id);
    assert.equal(refusalOf(await purchases.order(order, RICH)), "void");
    await purchases.paid(id, TX, BLOCK);
    assert.equal(idOf(await purchases.order(order, null)), id);
    purchases.void(id);
    assert.equal(purchases.get(id).state, "paid", "money that came was written off");
  }));

Deno.test("payments under way are no more than their payer holds", () =>
  withBook(async (book) => {
    const { purchases } = book;
    const held: Funds = { balance: 30n, since: 0 };
    const ids = [];
    for (const n of [1, 2, 3]) ids.push(idOf(await purchases.order(orderOf(n), held)));
    const fourth = await purchases.order(orderOf(4), held);
    assert.deepEqual(fourth, { refusal: { reason: "unfunded", balance: 30n, promised: 30n } });
    assert.equal(purchases.find(orderOf(4).authorization), null);
    const other = getAddress(pad("0xcc", { size: 20 }));
    idOf(await purchases.order(orderOf(4, {}, other), held));
    // One that is sent counts when its run has long ended, one that was never sent does not.
    await purchases.sending(ids[0]!);
    for (const id of ids) purchases.letGo(id);
    assert.equal(purchases.promised(ANNA, Infinity), 10n);
    // What was paid since the balance was read may be in it still.
    book.nowMs = 5_000;
    await purchases.paid(ids[0]!, TX, BLOCK);
    assert.equal(purchases.promised(ANNA, 5_000), 10n);
    assert.equal(purchases.promised(ANNA, 5_001), 0n);
    const seen = (since: number): Funds => ({ balance: 10n, since });
    assert.equal(refusalOf(await purchases.order(orderOf(5), seen(5_000))), "unfunded");
    idOf(await purchases.order(orderOf(5), seen(5_001)));
  }));

Deno.test("one that nobody has taken is free again, one that was answered for is owed", () =>
  withBook(async ({ purchases }) => {
    const [open, owed] = [
      idOf(await purchases.order(orderOf(1), RICH)),
      idOf(await purchases.order(orderOf(2), RICH)),
    ];
    for (const id of [open, owed]) await purchases.sending(id);
    purchases.sent(open, TX);
    await purchases.paid(owed, TX, BLOCK);
    await purchases.answered(owed, "answered", null);
    purchases.letGo(open);
    purchases.letGo(owed);
    assert.deepEqual([purchases.isAnswering(open), purchases.isAnswering(owed)], [false, true]);
    purchases.doubt(owed);
    assert.deepEqual(purchases.underWay().map(({ id }) => id), [open, owed]);
    purchases.unsent(open);
    purchases.unsent(owed);
    assert.deepEqual(purchases.underWay().map(({ id }) => id), [owed]);
    assert.equal(purchases.get(open).transaction, TX);
    assert.equal(purchases.get(owed).paidIn, null);
    idOf(await purchases.order(orderOf(1), RICH));
    assert.ok(purchases.isAnswering(open));
  }));

Deno.test("what blocks told of is known by them", () =>
  withBook(async ({ purchases }) => {
    for (const n of [8, 9, 10]) {
      const id = idOf(await purchases.order(orderOf(n), RICH));
      await purchases.paid(id, TX, { number: BigInt(n), hash: pad("0x1") });
    }
    const above = (block: bigint) =>
      purchases.restingAbove(block).map(({ paidIn }) => paidIn!.number);
    assert.deepEqual(above(7n), [8n, 9n, 10n]);
    assert.deepEqual(above(9n), [10n]);
    assert.deepEqual(above(10n), []);
  }));

Deno.test("under a key a client that signs anew gets what it has paid for", () =>
  withBook(async ({ purchases }) => {
    const key = new Uint8Array([9]);
    const first = orderOf(1, { key });
    const id = idOf(await purchases.order(first, RICH));
    purchases.letGo(id);
    // Nothing was sent for the first: the second is a purchase of its own.
    const second = idOf(await purchases.order(orderOf(2, { key }), RICH));
    assert.notEqual(second, id);
    purchases.letGo(second);
    await purchases.sending(second);
    const third = orderOf(3, { key });
    assert.equal(idOf(await purchases.order(third, RICH)), second);
    assert.equal(refusalOf(await purchases.order(third, RICH)), "running");
    assert.equal(purchases.find(third.authorization), null, "the other one is the payer's still");
    purchases.letGo(second);
    await purchases.paid(second, TX, BLOCK);
    const elses: Order[] = [
      { ...third, request: new Uint8Array([3]) },
      { ...third, cid: CID.replace(/a$/, "e") as Order["cid"] },
      orderOf(3, { key }, PROVIDER),
      { ...third, key: new Uint8Array([8]) },
    ];
    for (const [n, other] of elses.entries()) {
      const nonce = pad(`0x${(100 + n).toString(16)}`);
      const authorization = { ...other.authorization, nonce };
      assert.notEqual(idOf(await purchases.order({ ...other, authorization }, RICH)), second);
    }
    idOf(await purchases.order(third, RICH));
    await purchases.answered(second, "answered", null);
    purchases.letGo(second);
    assert.notEqual(idOf(await purchases.order(third, RICH)), second);
  }));

Deno.test("another process finds what was on disk, and nothing that runs", () =>
  withBook(async (book) => {
    const order = orderOf(1);
    const facts = { credits: 1, requestHash: null, responseHash: TX, startedAt: 3, durationMs: 4 };
    const id = idOf(await book.purchases.order(order, RICH));
    await book.purchases.sending(id);
    book.purchases.sent(id, TX);
    const other = open(book);
    assert.deepEqual({ ...other.get(id) }, {
      ...order,
      id,
      state: "sent",
      transaction: TX,
      paidIn: null,
      outcome: null,
      facts: null,
    });
    assert.equal(idOf(await other.order(order, null)), id);
    await other.paid(id, TX, BLOCK);
    await other.answered(id, "answered", facts as never);
    other.close();
    assert.deepEqual(book.purchases.get(id).facts, facts);
    assert.deepEqual(book.purchases.get(id).paidIn, BLOCK);
    assert.throws(() => book.purchases.get(99), /no purchase 99/);
    assert.equal(book.purchases.numbered(99), null);
  }));

Deno.test("the same nonce on another chain, or of another token, is another payment", () =>
  withBook(async (book) => {
    const order = orderOf(1);
    const id = idOf(await book.purchases.order(order, RICH));
    for (const other of [open(book, 8_453), open(book, 31_337, PROVIDER)]) {
      assert.equal(other.find(order.authorization), null);
      assert.notEqual(idOf(await other.order(order, RICH)), id);
      other.close();
    }
  }));

Deno.test("figures say what is sent, since when, and what is owed", () =>
  withBook(async (book) => {
    const { purchases } = book;
    assert.deepEqual(purchases.figures(), { sent: 0, oldestMs: 0, unanswered: 0 });
    const ids = [];
    for (const n of [1, 2, 3]) ids.push(idOf(await purchases.order(orderOf(n), RICH)));
    book.nowMs = 2_000;
    await purchases.sending(ids[0]!);
    book.nowMs = 3_000;
    await purchases.sending(ids[1]!);
    await purchases.sending(ids[0]!);
    await purchases.paid(ids[2]!, TX, BLOCK);
    book.nowMs = 4_500;
    assert.deepEqual(purchases.figures(), { sent: 2, oldestMs: 2_500, unanswered: 1 });
    await purchases.answered(ids[2]!, "answered", null);
    assert.equal(purchases.figures().unanswered, 0);
  }));

Deno.test("rows go after their time: soon where nobody paid, never while one is under way", () =>
  withBook(async (book) => {
    const { purchases } = book;
    const order = async (n: number) => idOf(await purchases.order(orderOf(n), RICH));
    const ids = {
      left: await order(1),
      cancelled: await order(2),
      running: await order(3),
      under: await order(4),
      once: await order(5),
      paid: await order(6),
    };
    for (const [name, id] of Object.entries(ids)) if (name !== "running") purchases.letGo(id);
    purchases.void(ids.cancelled);
    await purchases.sending(ids.under);
    await purchases.sending(ids.once);
    purchases.sent(ids.once, TX);
    purchases.unsent(ids.once);
    await purchases.paid(ids.paid, TX, BLOCK);
    let next = 10;
    const left = async (atMs: number) => {
      book.nowMs = atMs;
      purchases.letGo(await order(next++));
      return Object.entries(ids).filter(([, id]) => purchases.numbered(id)).map(([name]) => name);
    };
    const all = Object.keys(ids);
    assert.deepEqual(await left(1_000 + PURCHASE_UNPAID_KEPT_MS - 1), all);
    const unpaid = ["running", "under", "once", "paid"];
    assert.deepEqual(await left(1_000 + 2 * PURCHASE_UNPAID_KEPT_MS), unpaid);
    assert.deepEqual(await left(PURCHASE_KEPT_MS), unpaid);
    purchases.letGo(ids.running);
    assert.deepEqual(await left(1_000 + 2 * PURCHASE_KEPT_MS), ["under"]);
  }));

Deno.test("a book with many rows is gone through in parts", () =>
  withBook(async (book) => {
    const { purchases } = book;
    const all = [...Array(1_200).keys()].map((n) => purchases.order(orderOf(n + 1), null));
    for (const ordered of await Promise.all(all)) purchases.letGo(idOf(ordered));
    book.nowMs += 2 * PURCHASE_UNPAID_KEPT_MS;
    purchases.letGo(idOf(await purchases.order(orderOf(2_001), RICH)));
    const is = (n: number) => purchases.find(orderOf(n).authorization) !== null;
    assert.deepEqual([is(1), is(1_000), is(1_001), is(1_200)], [false, false, true, true]);
    purchases.letGo(idOf(await purchases.order(orderOf(2_002), RICH)));
    assert.deepEqual([is(1_001), is(1_200), is(2_001), is(2_002)], [false, false, true, true]);
  }));

Deno.test("those that rest on late blocks are found without a look at the others", async () => {
  await withBook(({ path }) => {
    using database = new DatabaseSync(path, { readOnly: true });
    const plan = database.prepare(
      "EXPLAIN QUERY PLAN SELECT * FROM purchases " +
        "WHERE state = 'paid' AND CAST(paidBlock AS INTEGER) > 7 ORDER BY +id",
    ).all().map(({ detail }) => String(detail));
    assert.ok(plan.some((each) => each.includes("USING INDEX purchases_by_block")), plan.join());
    return Promise.resolve();
  });
});

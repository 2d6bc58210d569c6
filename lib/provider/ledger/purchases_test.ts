/** The book of single payments in SQLite; purchase_book_test.ts tries the rest in both stores. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { PURCHASE_UNPAID_KEPT_MS } from "../../limits_of_exact.ts";
import { makeFolder } from "../../../worlds/home.ts";
import { ASSET, BLOCK, idOf, orderOf, RICH, TX } from "../../../worlds/purchase_books.ts";
import { Purchases } from "./purchases.ts";

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

function open(book: Pick<Book, "nowMs" | "path">): Purchases {
  const { path } = book;
  return new Purchases({ path, chainId: 31_337, asset: ASSET, now: () => book.nowMs });
}

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

import assert from "node:assert/strict";
import {
  ID,
  LANE,
  NOW_MS,
  OTHER_LANE,
  OTHER_PAYER,
  PAYER,
  sale,
  TRANSACTION,
} from "../../../worlds/ledger.ts";
import { accountOf, emptyBook, isHere, laneOf, lanesOf, letGo } from "./book.ts";
import { apply, type Book, type Entry } from "./journal.ts";

const LEVEL: Entry[] = [
  { kind: "open", ...ID, charged: 2n },
  ...sale(1),
  { kind: "settle", ...ID, settled: 3n, block: 1n, transaction: TRANSACTION },
];

/** A book whose one lane was parked, and what was asked of where it is. */
function parkedBook() {
  const before = emptyBook();
  for (const entry of LEVEL) apply(before, entry, NOW_MS);
  const lane = laneOf(before, PAYER, LANE)!;
  const asked: string[] = [];
  const book: Book = emptyBook({
    lane(payer, id) {
      asked.push("lane");
      return payer === PAYER && id === LANE ? { ...lane } : undefined;
    },
    sums(payer) {
      asked.push("sums");
      return payer === PAYER ? { lanes: 1, opened: 2n, charged: 3n } : undefined;
    },
  });
  return { book, asked };
}

Deno.test("a lane that is parked comes back, and its payer's sums have it before and after", () => {
  const { book } = parkedBook();
  const sums = () => {
    const { opened, charged, settled, held, prepaid } = accountOf(book, PAYER)!;
    return { opened, charged, settled, held, prepaid };
  };
  const before = sums();
  assert.deepEqual(before, { opened: 2n, charged: 3n, settled: 3n, held: 0n, prepaid: 0n });
  assert.deepEqual([...lanesOf(book)], []);
  const lane = laneOf(book, PAYER, LANE)!;
  assert.equal(lane.charged, 3n);
  assert.deepEqual(sums(), before);
  assert.ok(isHere(book, lane) && book.idle.has(lane) && !book.touched.has(lane));
  assert.equal(laneOf(book, PAYER, LANE), lane, "there is one of it");
});

Deno.test("an entry about a lane that is parked counts on top of what it was", () => {
  const { book } = parkedBook();
  for (const entry of sale(2)) apply(book, entry, NOW_MS);
  const { charged, settled, unsettledAmount } = accountOf(book, PAYER)!;
  assert.deepEqual({ charged, settled, unsettledAmount }, {
    charged: 4n,
    settled: 3n,
    unsettledAmount: 5n,
  });
  assert.throws(() => apply(book, LEVEL[0]!, NOW_MS), /opened twice/);
});

Deno.test("a payer without parked lanes is looked up once, its lanes never", () => {
  const { book, asked } = parkedBook();
  assert.equal(laneOf(book, OTHER_PAYER, LANE), undefined);
  assert.deepEqual(asked.splice(0), ["sums"]);
  apply(book, { kind: "open", payer: OTHER_PAYER, lane: LANE, charged: 0n }, NOW_MS);
  asked.splice(0);
  assert.equal(laneOf(book, OTHER_PAYER, OTHER_LANE), undefined);
  assert.ok(laneOf(book, OTHER_PAYER, LANE));
  assert.deepEqual(asked, []);
});

Deno.test("lanes that are let go of leave nothing but the sums", () => {
  const { book } = parkedBook();
  const lane = laneOf(book, PAYER, LANE)!;
  apply(
    book,
    { kind: "settle", ...ID, settled: 3n, block: 9n, transaction: TRANSACTION },
    NOW_MS,
  );
  apply(book, { kind: "open", payer: PAYER, lane: OTHER_LANE, charged: 7n }, NOW_MS);
  letGo(book, [lane], new Map([[PAYER, 1]]));
  assert.ok(!isHere(book, lane));
  const account = accountOf(book, PAYER)!;
  assert.deepEqual([account.charged, account.lanes.size, account.parked], [10n, 1, 1]);
  assert.deepEqual(account.settledLately?.above(0n), new Set());
  letGo(book, [...lanesOf(book)], new Map([[PAYER, 2]]));
  assert.equal(book.accounts.size, 0);
});

/** What the book's sums leave alone. */
import assert from "node:assert/strict";
import {
  CID,
  ID,
  LANE,
  OTHER_LANE,
  PAYER,
  permitOf,
  PRICE,
  sale,
  signatureOf,
  TRANSACTION,
} from "../../../worlds/ledger.ts";
import { apply, emptyBook, type Entry, laneOf } from "./journal.ts";

function sumsAfter(...entries: Entry[]) {
  const book = emptyBook();
  for (const entry of entries) apply(book, entry, 0);
  return [book.unsettledAmount, book.refusedAmount, book.heldAmount];
}

const OPEN: Entry[] = [
  { kind: "open", ...ID, charged: 0n },
  { kind: "permit", ...ID, permit: permitOf() },
  ...sale(1),
];
const REFUSED: Entry = {
  kind: "skip",
  ...ID,
  charged: 1n,
  reason: "PermitExpired",
  transaction: TRANSACTION,
};
const OTHER: Entry = { kind: "permit", ...ID, permit: permitOf({ signature: signatureOf(2) }) };
const settle = (settled: bigint): Entry => (
  { kind: "settle", ...ID, settled, block: 1n, transaction: TRANSACTION }
);

Deno.test("another permit takes back a refusal, and nothing where there is none", () => {
  assert.deepEqual(sumsAfter(...OPEN, OTHER), [PRICE, 0n, 0n]);
  assert.deepEqual(sumsAfter(...OPEN, REFUSED), [0n, PRICE, 0n]);
  assert.deepEqual(sumsAfter(...OPEN, REFUSED, OTHER), [PRICE, 0n, 0n]);
  assert.deepEqual(sumsAfter(...OPEN, REFUSED, REFUSED), [0n, PRICE, 0n]);
});

Deno.test("a run that ends on a refused lane adds to what was refused, lane by lane", () => {
  const id = { payer: PAYER, lane: OTHER_LANE };
  const other: Entry[] = [{ kind: "open", ...id, charged: 0n }, ...sale(2, PRICE, id)];
  const refused = [...OPEN, REFUSED, ...other];
  assert.deepEqual(sumsAfter(...refused), [PRICE, PRICE, 0n]);
  const both = [...refused, { ...REFUSED, ...id } as Entry];
  assert.deepEqual(sumsAfter(...both), [0n, 2n * PRICE, 0n]);
  assert.deepEqual(sumsAfter(...both, ...sale(3)), [0n, 3n * PRICE, 0n]);
  assert.deepEqual(sumsAfter(...both, ...sale(3), settle(2n)), [0n, PRICE, 0n]);
});

Deno.test("a run at the price of the one before lengthens its segment, not the first one", () => {
  const book = emptyBook();
  const prices = [PRICE, 2n, 2n, PRICE];
  const sales = prices.flatMap((price, index) => sale(index + 1, price));
  for (const entry of [{ kind: "open", ...ID, charged: 0n } as Entry, ...sales]) {
    apply(book, entry, 0);
  }
  assert.deepEqual(laneOf(book, PAYER, LANE)!.segments, [
    { upTo: 1n, price: PRICE },
    { upTo: 3n, price: 2n },
    { upTo: 4n, price: PRICE },
  ]);
});

Deno.test("a charge that the escrow took first is not due", () => {
  assert.deepEqual(sumsAfter(...OPEN, settle(2n)), [0n, 0n, 0n]);
  assert.deepEqual(sumsAfter(...OPEN, settle(2n), ...sale(2)), [0n, 0n, 0n]);
  assert.deepEqual(sumsAfter(...OPEN, settle(2n), ...sale(2), ...sale(3)), [PRICE, 0n, 0n]);
});

Deno.test("reservations are numbered from one, and on from the highest", () => {
  const book = emptyBook();
  assert.equal(book.nextReservation, 1);
  apply(book, { kind: "open", ...ID, charged: 0n }, 0);
  for (const reservation of [5, 2]) {
    apply(book, { kind: "reserve", ...ID, reservation, cid: CID, price: PRICE }, 0);
  }
  assert.equal(book.nextReservation, 6);
});

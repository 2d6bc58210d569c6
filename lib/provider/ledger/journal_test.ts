import assert from "node:assert/strict";
import fc from "fast-check";
import type { Hex } from "viem";
import {
  CID,
  ID,
  LANE,
  NOW_MS,
  OTHER_LANE,
  OTHER_PAYER,
  PAYER,
  permitOf,
  sale,
  THIRD_LANE,
  TRANSACTION,
} from "../../../worlds/ledger.ts";
import {
  apply,
  type Book,
  dearestUnsettled,
  emptyBook,
  type Entry,
  type Lane,
  type LaneId,
  laneOf,
  lanesOf,
  outstanding,
  prepaid,
  unsettledAmount,
} from "./journal.ts";

function bookOf(...entries: Entry[]): Book {
  const book = emptyBook();
  for (const entry of entries) apply(book, entry, NOW_MS);
  return book;
}

function opened(...entries: Entry[]): Lane {
  return laneOf(bookOf(...entries), PAYER, LANE)!;
}

const open = (charged: bigint, id: LaneId = ID): Entry => ({ kind: "open", ...id, charged });

const settle = (settled: bigint, id: LaneId = ID, block = 1n): Entry => (
  { kind: "settle", ...id, settled, block, transaction: TRANSACTION }
);

const reserve = (reservation: number, price: bigint, id: LaneId = ID): Entry => (
  { kind: "reserve", ...id, reservation, cid: CID, price }
);

const release = (reservation: number): Entry => (
  { kind: "release", ...ID, reservation, reason: "test" }
);

const REFUSED: Entry = {
  kind: "skip",
  ...ID,
  charged: 2n,
  reason: "NoCredits",
  transaction: TRANSACTION,
};

Deno.test("what is unsettled keeps the price each call was made at", () => {
  const found = opened(open(10n), ...sale(1, 5n), ...sale(2, 5n), ...sale(3, 8n));
  assert.deepEqual(found.segments, [{ upTo: 12n, price: 5n }, { upTo: 13n, price: 8n }]);
  assert.equal(unsettledAmount(found), 18n);
});

Deno.test("a refusal is of the permit that the lane is settled with, and goes with it", () => {
  const permit = permitOf();
  const by: Entry = { kind: "permit", ...ID, permit };
  assert.equal(opened(open(0n), by, ...sale(1, 5n), REFUSED).refused, "NoCredits");
  const found = opened(open(0n), by, ...sale(1, 5n), REFUSED, by);
  assert.deepEqual([found.refused, found.permits[0]!.permit, outstanding(found)], [
    null,
    permit,
    1n,
  ]);
});

Deno.test("a settlement that the chain takes back is due again", () => {
  const found = opened(open(0n), ...sale(1, 5n), ...sale(2, 5n), settle(2n), settle(0n));
  assert.equal(outstanding(found), 2n);
  assert.equal(unsettledAmount(found), 10n);
});

Deno.test("what was used before a lane came here and is due again counts as its rows will", () => {
  const book = bookOf(open(4n), reserve(1, 5n), settle(5n), settle(2n));
  const charge: Entry = { kind: "charge", ...ID, reservation: 1, outcome: "answered" };
  apply(book, charge, NOW_MS);
  assert.equal(unsettledAmount(laneOf(book, PAYER, LANE)!), 15n);
  assert.equal(book.unsettledAmount, 15n);
  apply(book, settle(5n), NOW_MS);
  assert.equal(book.unsettledAmount, 0n);
});

Deno.test("an entry that contradicts the book is refused", () => {
  const book = emptyBook();
  const charge: Entry = { kind: "charge", ...ID, reservation: 9, outcome: "answered" };
  assert.throws(() => apply(book, charge, NOW_MS), /reservation 9 is not open/);
});

Deno.test("nothing is known of a lane that was never opened, and it is opened once", () => {
  const entries: Entry[] = [
    { kind: "permit", ...ID, permit: permitOf() },
    reserve(1, 5n),
    settle(1n),
    REFUSED,
  ];
  const elsewhere = { payer: OTHER_PAYER, lane: LANE };
  for (const entry of entries) {
    const book = bookOf(open(0n, elsewhere));
    assert.throws(() => apply(book, entry, NOW_MS), /was never opened/, entry.kind);
  }
  assert.throws(() => bookOf(open(0n), open(0n)), /opened twice/);
});

Deno.test("a reservation is made once and ends once", () => {
  const charge: Entry = { kind: "charge", ...ID, reservation: 1, outcome: "answered" };
  assert.throws(() => bookOf(open(0n), reserve(1, 5n), reserve(1, 5n)), /reservation 1 twice/);
  for (const first of [charge, release(1)]) {
    for (const second of [charge, release(1)]) {
      const book = bookOf(open(0n), reserve(1, 5n), first);
      assert.throws(() => apply(book, second, NOW_MS), /reservation 1 is not open/);
    }
  }
});

Deno.test("what is held is counted until it ends, and only a charge is used", () => {
  const book = bookOf(open(4n), reserve(3, 5n), reserve(1, 8n));
  const lane = laneOf(book, PAYER, LANE)!;
  assert.deepEqual([lane.held, lane.charged, book.heldAmount], [2n, 4n, 13n]);
  assert.equal(book.nextReservation, 4, "above every number that was given");
  apply(book, release(3), NOW_MS);
  assert.deepEqual([lane.held, lane.charged, book.heldAmount], [1n, 4n, 8n]);
  apply(book, { kind: "charge", ...ID, reservation: 1, outcome: "limit" }, NOW_MS);
  assert.deepEqual([lane.held, lane.charged, book.heldAmount], [0n, 5n, 0n]);
  assert.equal(book.unsettledAmount, 8n);
});

Deno.test("credits at one price are one segment, and a price that comes back begins another", () => {
  const found = opened(
    open(0n),
    ...sale(1, 5n),
    settle(1n),
    ...sale(2, 5n),
    ...sale(3, 8n),
    ...sale(4, 5n),
  );
  assert.deepEqual(found.segments, [
    { upTo: 2n, price: 5n },
    { upTo: 3n, price: 8n },
    { upTo: 4n, price: 5n },
  ]);
});

Deno.test("what is due and what was dearest follow the escrow through the segments", () => {
  const sold = [3n, 9n, 9n, 4n].flatMap((price, index) => sale(index + 1, price));
  const due: [settled: bigint, amount: bigint, dearest: bigint][] = [
    [10n, 25n, 9n],
    [11n, 22n, 9n],
    [12n, 13n, 9n],
    [13n, 4n, 4n],
    [14n, 0n, 0n],
    [16n, 0n, 0n],
  ];
  for (const [settled, amount, dearest] of due) {
    const book = bookOf(open(10n), ...sold, settle(settled));
    const lane = laneOf(book, PAYER, LANE)!;
    assert.equal(unsettledAmount(lane), amount);
    assert.equal(book.unsettledAmount, amount);
    assert.equal(dearestUnsettled(lane), dearest);
  }
});

Deno.test("a lane on which nothing was used owes nothing", () => {
  const lane = opened(open(7n));
  const sums = [unsettledAmount(lane), dearestUnsettled(lane), outstanding(lane), prepaid(lane)];
  assert.deepEqual(sums, [0n, 0n, 0n, 0n]);
  assert.equal(lane.settledBlock, 0n, "every view knows the counter that it was opened at");
});

Deno.test("what the escrow took first is prepaid until a run holds or uses it", () => {
  const other = { payer: PAYER, lane: OTHER_LANE };
  const book = bookOf(open(4n), open(0n, other), settle(6n), settle(1n, other));
  const [lane, account] = [laneOf(book, PAYER, LANE)!, book.accounts.get(PAYER)!];
  const left = () => [prepaid(lane), account.prepaid];
  assert.deepEqual([...left(), outstanding(lane)], [2n, 3n, 0n]);
  apply(book, reserve(1, 5n), NOW_MS);
  assert.deepEqual(left(), [1n, 2n]);
  apply(book, release(1), NOW_MS);
  assert.deepEqual(left(), [2n, 3n]);
  for (const entry of [...sale(1, 5n), ...sale(2, 5n)]) apply(book, entry, NOW_MS);
  assert.deepEqual(left(), [0n, 1n]);
  assert.equal(book.unsettledAmount, 0n);
  // One lane's debt takes nothing of what is prepaid on another.
  apply(book, reserve(3, 5n), NOW_MS);
  assert.deepEqual([...left(), outstanding(lane)], [0n, 1n, 1n]);
  apply(book, settle(0n, other), NOW_MS);
  assert.deepEqual(left(), [0n, 0n]);
});

Deno.test("a refusal lasts until the escrow's counter is known anew, whatever it is", () => {
  const lane = opened(open(0n), ...sale(1), ...sale(2), REFUSED);
  assert.equal(lane.refused, "NoCredits");
  assert.equal(unsettledAmount(lane), 10n, "it is due all the same");
  const later = opened(open(0n), ...sale(1), ...sale(2), REFUSED, settle(0n, ID, 9n));
  assert.deepEqual([later.refused, later.settled, later.settledBlock], [null, 0n, 9n]);
  const undone = opened(open(0n), ...sale(1), settle(1n, ID, 9n), settle(0n, ID, 8n));
  assert.equal(undone.settledBlock, 8n, "of the last, be it lower");
});

Deno.test("of permits that an earlier version kept the newest is the lane's", () => {
  const [first, second] = [permitOf({ credits: 5n }), permitOf({ credits: 2n })];
  const permits = [first, second].map((permit): Entry => ({ kind: "permit", ...ID, permit }));
  assert.deepEqual(opened(open(0n), ...permits).permits, [{ permit: second, signer: null }]);
});

const LANES: readonly Hex[] = [LANE, OTHER_LANE, THIRD_LANE];

const step = fc.record({
  do: fc.constantFrom(
    ...["reserve", "reserve", "charge", "charge", "release", "settle", "refuse", "permit"],
  ),
  payer: fc.constantFrom(PAYER, OTHER_PAYER),
  lane: fc.constantFrom(...LANES),
  amount: fc.bigInt(0n, 6n),
});

/** The credits of a lane, one by one. */
interface Paper {
  readonly opened: bigint;
  readonly charged: bigint[];
  settled: bigint;
}

/** The price of each credit that is due; of what was used before the lane came here, the first. */
function duePrices({ opened, charged, settled }: Paper): bigint[] {
  if (charged.length === 0) return [];
  const before = Array<bigint>(Number(opened)).fill(charged[0]!);
  return [...before, ...charged].slice(Number(settled));
}

const sum = (amounts: readonly bigint[]) => amounts.reduce((all, each) => all + each, 0n);

Deno.test("every sum of the book is what counting credit by credit gives", () => {
  const property = fc.property(fc.array(step, { maxLength: 40, size: "max" }), (steps) => {
    const book = emptyBook();
    const papers = new Map<Lane, Paper>();
    for (const { do: what, payer, lane: id, amount } of steps) {
      if (!laneOf(book, payer, id)) apply(book, open(amount, { payer, lane: id }), NOW_MS);
      const lane = laneOf(book, payer, id)!;
      const paper = papers.get(lane) ??
        { opened: lane.charged, charged: [], settled: lane.settled };
      papers.set(lane, paper);
      const [held] = [...book.reservations].filter(([, at]) =>
        at.payer === payer && at.lane === id
      );
      if (what === "reserve") {
        const reservation = book.nextReservation;
        apply(
          book,
          { kind: "reserve", payer, lane: id, reservation, cid: CID, price: amount },
          NOW_MS,
        );
      } else if (what === "settle") {
        paper.settled = amount * 2n;
        apply(book, settle(paper.settled, { payer, lane: id }), NOW_MS);
      } else if (what === "refuse") {
        const transaction = TRANSACTION;
        apply(
          book,
          { kind: "skip", payer, lane: id, charged: 0n, reason: "NoCredits", transaction },
          NOW_MS,
        );
      } else if (what === "permit") {
        apply(book, { kind: "permit", payer, lane: id, permit: permitOf() }, NOW_MS);
      } else if (held && what === "release") {
        apply(
          book,
          { kind: "release", payer, lane: id, reservation: held[0], reason: "test" },
          NOW_MS,
        );
      } else if (held) {
        paper.charged.push(held[1].price);
        const outcome = "answered";
        apply(book, { kind: "charge", payer, lane: id, reservation: held[0], outcome }, NOW_MS);
      }
      assertSums(book, papers);
    }
  });
  fc.assert(property, { numRuns: 200 });
});

function assertSums(book: Book, papers: ReadonlyMap<Lane, Paper>): void {
  for (const [lane, paper] of papers) {
    const due = duePrices(paper);
    assert.equal(lane.charged, paper.opened + BigInt(paper.charged.length));
    assert.equal(unsettledAmount(lane), sum(due));
    assert.equal(dearestUnsettled(lane), due.reduce((most, each) => each > most ? each : most, 0n));
  }
  const reservations = [...book.reservations.values()];
  assert.equal(book.heldAmount, sum(reservations.map(({ price }) => price)));
  assertIndexes(book);
  assertAmounts(book, papers);
  assert.deepEqual(new Set(lanesOf(book)), new Set(papers.keys()));
  for (const [payer, account] of book.accounts) {
    const lanes = [...account.lanes.values()];
    const held = reservations.filter((each) => each.payer === payer).length;
    assert.equal(account.held, BigInt(held));
    assert.equal(account.charged, sum(lanes.map(({ charged }) => charged)));
    assert.equal(account.settled, sum(lanes.map(({ settled }) => settled)));
    assert.equal(account.opened, sum(lanes.map((lane) => papers.get(lane)!.opened)));
    assert.equal(account.prepaid, sum(lanes.map(prepaid)));
  }
}

/** What the book knows without looking at its lanes is what looking at all of them finds. */
function assertIndexes(book: Book): void {
  const lanes = [...lanesOf(book)];
  const isRefused = ({ refused }: Lane) => refused !== null;
  const isOpen = (lane: Lane) => outstanding(lane) > 0n || isRefused(lane);
  const isDue = (lane: Lane) =>
    lane.permits.length > 0 && !isRefused(lane) && lane.charged > lane.settled &&
    lane.segments.length > 0;
  assert.deepEqual(book.due, new Set(lanes.filter(isDue)));
  assert.equal(book.outstandingLanes, lanes.filter((lane) => outstanding(lane) > 0n).length);
  assert.equal(book.refusedLanes, lanes.filter(isRefused).length);
  for (const account of book.accounts.values()) {
    const own = [...account.lanes.values()];
    const isUneven = (lane: Lane) => isRefused(lane) || lane.charged + lane.held !== lane.settled;
    assert.equal(account.open, own.filter(isOpen).length);
    assert.deepEqual(account.uneven, new Set(own.filter(isUneven)));
    const settled = own.filter(({ settledBlock }) => settledBlock > 0n);
    assert.deepEqual(new Set(account.settledLately?.above(0n)), new Set(settled));
  }
}

function assertAmounts(book: Book, papers: ReadonlyMap<Lane, Paper>): void {
  const owed = (isWanted: (lane: Lane) => boolean) =>
    sum([...papers].filter(([lane]) => isWanted(lane)).flatMap(([, paper]) => duePrices(paper)));
  assert.equal(book.unsettledAmount, owed(({ refused }) => refused === null));
  assert.equal(book.refusedAmount, owed(({ refused }) => refused !== null));
  for (const [payer, { unsettledAmount }] of book.accounts) {
    assert.equal(unsettledAmount, owed((lane) => lane.payer === payer && lane.refused === null));
  }
}

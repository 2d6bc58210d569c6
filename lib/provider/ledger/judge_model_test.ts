/**
 * The judgement against paper and pencil: pages of single credits, and the rules in the words of
 * the protocol, without the book's sums.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Hex } from "viem";
import {
  CID,
  drawOf,
  LANE,
  NOW,
  NOW_MS,
  OTHER_LANE,
  OTHER_PAYER,
  PAYER,
  permitOf,
  SETTLE_WINDOW,
  SETTLING,
  signatureOf,
  THIRD_LANE,
  TRANSACTION,
  viewOf,
} from "../../../worlds/ledger.ts";
import type { Permit } from "../../permit.ts";
import {
  type Draw,
  judge,
  type Judgement,
  type PayerView,
  type Preholds,
  type Refusal,
  type Source,
} from "./judge.ts";
import { apply, type Book, emptyBook, type Entry, type LaneId, laneOf } from "./journal.ts";

const PAYERS = [PAYER, OTHER_PAYER];
const LANES = [LANE, OTHER_LANE, THIRD_LANE];
/** No history opens it. */
const NEW_LANE: Hex = `0x${"f0".repeat(32)}`;

/** A lane on paper, one line for each credit. */
interface Page extends LaneId {
  opened: bigint;
  /** What each run cost, in order. */
  charged: bigint[];
  /** Held for calls that are here. */
  held: bigint;
  /** Held for calls that have not come. */
  preheld: bigint;
  settled: bigint;
  refused: string | null;
  permit: Permit | null;
}

interface Paper {
  readonly pages: Page[];
  readonly book: Book;
  readonly preholds: Preholds;
  nextReservation: number;
}

function blank(): Paper {
  const pages: Page[] = [];
  const preheld = (of: readonly Page[]) => sum(of.map((page) => page.preheld));
  return {
    pages,
    book: emptyBook(),
    nextReservation: 1,
    preholds: {
      amount: () => 0n,
      ofPayer: (payer) => preheld(pages.filter((page) => page.payer === payer)),
      onLane: (payer, lane) =>
        preheld(pages.filter((page) => page.payer === payer && page.lane === lane)),
    },
  };
}

const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((all, each) => all + each, 0n);

/** Used and held here, for calls that are here or not. */
function takenOn({ charged, held, preheld }: Page): bigint {
  return BigInt(charged.length) + held + preheld;
}

/** Taken by the escrow and free. */
function prepaidOn(page: Page): bigint {
  const left = page.settled - page.opened - takenOn(page);
  return left > 0n ? left : 0n;
}

/** The highest price among the credits beyond what the escrow has taken. */
function dearestDue({ opened, charged, settled }: Page): bigint {
  const due = charged.filter((_, index) => opened + BigInt(index) + 1n > settled);
  return most(due);
}

const most = (amounts: readonly bigint[]) => amounts.reduce((a, b) => a > b ? a : b, 0n);

const step = fc.record({
  do: fc.constantFrom("charge", "charge", "hold", "hold ahead", "settle", "refuse", "permit"),
  payer: fc.constantFrom(0, 0, 0, 1),
  lane: fc.nat(2),
  /** A price, or how far the escrow has taken the lane. */
  amount: fc.bigInt(0n, 4n),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Notes a step on paper and in the book. */
function take(paper: Paper, { do: what, payer, lane, amount }: Step): void {
  const { book } = paper;
  const id = { payer: PAYERS[payer]!, lane: LANES[lane]! };
  const page = pageOf(paper, id, amount);
  const price = amount + 3n;
  const reservation = paper.nextReservation;
  if (what === "charge" || what === "hold" || what === "hold ahead") {
    paper.nextReservation += 1;
    apply(book, { kind: "reserve", ...id, reservation, cid: CID, price }, NOW_MS);
  }
  if (what === "charge") {
    page.charged.push(price);
    apply(book, { kind: "charge", ...id, reservation, outcome: "answered" }, NOW_MS);
  } else if (what === "hold") {
    page.held += 1n;
  } else if (what === "hold ahead") {
    page.preheld += 1n;
  } else if (what === "settle") {
    page.settled = amount * 2n;
    page.refused = null;
    const transaction = TRANSACTION;
    apply(book, { kind: "settle", ...id, settled: page.settled, block: 1n, transaction }, NOW_MS);
  } else if (what === "refuse") {
    page.refused = amount % 2n === 0n ? "NoCredits" : "WrongEpoch";
    const transaction = TRANSACTION;
    apply(book, { kind: "skip", ...id, charged: 0n, reason: page.refused, transaction }, NOW_MS);
  } else {
    page.refused = null;
    page.permit = permitOf({
      credits: 9n + amount,
      deadline: NOW + SETTLE_WINDOW + 2n,
      epoch: Number(amount % 3n),
      signature: signatureOf(Number(amount) % 2),
    });
    apply(book, { kind: "permit", ...id, permit: page.permit }, NOW_MS);
  }
}

/** The lane's page; a new one begins where the escrow is. */
function pageOf({ pages, book }: Paper, id: LaneId, opened: bigint): Page {
  const known = pages.find(({ payer, lane }) => payer === id.payer && lane === id.lane);
  if (known) return known;
  const page: Page = {
    ...id,
    opened,
    charged: [],
    held: 0n,
    preheld: 0n,
    settled: opened,
    refused: null,
    permit: null,
  };
  pages.push(page);
  apply(book, { kind: "open", ...id, charged: opened }, NOW_MS);
  return page;
}

const question = fc.record({
  lane: fc.constantFrom(LANE, LANE, OTHER_LANE, NEW_LANE),
  price: fc.bigInt(3n, 4n),
  permit: fc.record({
    price: fc.bigInt(3n, 7n),
    credits: fc.bigInt(0n, 16n),
    deadline: fc.constantFrom(0n, 1n, 1n, 2n, 3n, -1n).map((left) => NOW + SETTLE_WINDOW + left),
    epoch: fc.constantFrom(1, 1, 1, 0, 2, 3),
    signature: fc.nat(2).map(signatureOf),
  }),
  view: fc.record({
    epoch: fc.constant(1),
    epochEnd: fc.constantFrom(null, null, null, -1n, 0n, 1n).map((left) =>
      left === null ? 0n : NOW + SETTLE_WINDOW + left
    ),
    credits: fc.bigInt(0n, 2n),
    pricePerCredit: fc.bigInt(2n, 7n),
    ceiling: fc.bigInt(-2n, 16n),
    settled: fc.bigInt(0n, 4n).map((settled) =>
      new Map([NEW_LANE, ...LANES].map((lane) => [lane, settled] as const))
    ),
  }),
  source: fc.constantFrom("allowance" as const, "prepaid" as const),
});

/** What the rules say: the first that is broken. */
function expected(paper: Paper, draw: Draw, view: PayerView, source: Source): Judgement {
  const own = paper.pages.filter(({ payer }) => payer === draw.payer);
  const page = own.find(({ lane }) => lane === draw.lane);
  const { permit, price } = draw;
  const before = view.settled.get(draw.lane)!;
  const used = page ? page.opened + BigInt(page.charged.length) + page.held : before;
  const spoken = sum(own.map(takenOn)) + sum(own.filter((each) => each !== page).map(prepaidOn));
  const left = view.ceiling - spoken + sum(own.map(({ preheld }) => preheld));
  const no = (refusal: Refusal): Judgement => ({ payable: false, refusal, used });

  if (permit.deadline - SETTLE_WINDOW < NOW) return no({ reason: "permit_expiring" });
  const isOver = view.epochEnd > 0n && view.epochEnd <= NOW + SETTLE_WINDOW;
  const good = view.epochEnd === 0n ? [1] : isOver ? [2] : [1, 2];
  if (!good.includes(permit.epoch)) {
    return no({ reason: "permit_epoch", epoch: view.epochEnd === 0n ? 1 : 2 });
  }
  if (permit.price < price) return no({ reason: "permit_price", allowed: permit.price });
  if (view.credits > 0n && view.pricePerCredit < price) {
    return no({ reason: "allowance_price", allowed: view.pricePerCredit });
  }
  const kept = page?.permit;
  const isMended = page?.refused === "WrongEpoch" && kept && kept.epoch !== permit.epoch;
  if (page && page.refused !== null && !isMended) {
    return no({ reason: "lane_refused", because: page.refused, dearest: dearestDue(page) });
  }
  if (used >= permit.credits) return no({ reason: "permit_used" });
  if (page && !isCovered(page, draw, used, good)) {
    const dearest = dearestDue(page);
    if (permit.price < dearest) return no({ reason: "earlier_dearer", price: dearest });
  }
  if (source === "prepaid" && page && prepaidOn(page) > 0n) return { payable: true };
  if (left <= 0n) return no({ reason: "no_credits" });
  if (source === "allowance") return { payable: true };
  return no({ reason: "not_taken", settled: page?.settled ?? before });
}

/** Whether the lane's own permit covers the credit for as long as the draw's. */
function isCovered(page: Page, { permit, price }: Draw, used: bigint, good: number[]): boolean {
  const { permit: kept, refused } = page;
  if (kept === null || refused !== null) return false;
  if (kept.credits <= used || kept.price < price) return false;
  if (kept.signature === permit.signature) return true;
  return kept.deadline >= permit.deadline && kept.epoch >= permit.epoch &&
    good.includes(kept.epoch);
}

Deno.test("no history makes the judgement differ from the rules", () => {
  const seen = new Set<string>();
  const property = fc.property(
    fc.array(step, { maxLength: 14, size: "max" }),
    fc.array(question, { minLength: 6, maxLength: 6, size: "max" }),
    (steps, questions) => {
      const paper = blank();
      for (const each of steps) take(paper, each);
      for (const { lane, price, permit, view: chain, source } of questions) {
        const draw = drawOf({ lane, price, permit: permitOf({ ...permit, lane }) });
        const view = viewOf(0n, chain);
        const judgement = judge(draw, view, paper, SETTLING, source);
        assert.deepEqual(judgement, expected(paper, draw, view, source));
        seen.add(judgement.payable ? "payable" : judgement.refusal.reason);
      }
    },
  );
  fc.assert(property, { numRuns: 500 });
  // Nobody has a thousand lanes here.
  assert.equal(seen.size, 10, `every other answer came up: ${[...seen]}`);
});

/** One payer's escrow, and a book that hears of settlements when it is told. */
function openMarket(granted: bigint) {
  const book = emptyBook();
  const opened = [0n, 4n];
  const taken = [...opened];
  const unheard: Entry[] = [];
  const idOf = (lane: number): LaneId => ({ payer: PAYER, lane: LANES[lane]! });
  for (const [lane, charged] of opened.entries()) {
    apply(book, { kind: "open", ...idOf(lane), charged }, NOW_MS);
    apply(
      book,
      { kind: "permit", ...idOf(lane), permit: permitOf({ lane: LANES[lane]! }) },
      NOW_MS,
    );
  }
  return {
    book,
    unheard,
    /** What the chain says now. */
    view(): PayerView {
      const settled = new Map(LANES.map((lane, index) => [lane, taken[index] ?? 0n]));
      const takenHere = sum(taken) - sum(opened);
      const credits = granted - takenHere;
      return viewOf(credits, { settled, ceiling: credits + takenHere });
    },
    reserve(lane: number): void {
      const reservation = book.nextReservation;
      apply(book, { kind: "reserve", ...idOf(lane), reservation, cid: CID, price: 3n }, NOW_MS);
    },
    charge(lane: number): void {
      const held = [...book.reservations].find(([, each]) => each.lane === LANES[lane]);
      if (!held) return;
      apply(
        book,
        { kind: "charge", ...idOf(lane), reservation: held[0], outcome: "answered" },
        NOW_MS,
      );
    },
    /** The escrow takes what runs have used, and `ahead` credits more. */
    settle(lane: number, ahead: bigint): void {
      const settled = laneOf(book, PAYER, LANES[lane]!)!.charged + ahead;
      if (settled - taken[lane]! > this.view().credits) return;
      taken[lane] = settled;
      const transaction = TRANSACTION;
      unheard.push({ kind: "settle", ...idOf(lane), settled, block: 1n, transaction });
    },
    hear(): void {
      for (const entry of unheard.splice(0)) apply(book, entry, NOW_MS);
    },
  };
}

/** What calls on each lane are told on a view. */
function answers(book: Book, view: PayerView, sources: readonly Source[]): Judgement[] {
  const preholds = { ofPayer: () => 0n, onLane: () => 0n, amount: () => 0n };
  return LANES.flatMap((lane) =>
    sources.map((source) => judge(drawOf({ lane }), view, { book, preholds }, SETTLING, source))
  );
}

const marketStep = fc.record({
  do: fc.constantFrom("reserve", "reserve", "charge", "charge", "settle", "hear"),
  lane: fc.nat(1),
});

for (const [how, ahead] of [["runs have used", 0n], ["is taken before its run", 1n]] as const) {
  Deno.test(`a settlement of what ${how} changes no answer, heard of or not`, () => {
    const property = fc.property(
      fc.bigInt(1n, 6n),
      fc.array(marketStep, { maxLength: 24, size: "max" }),
      (granted, steps) => {
        const market = openMarket(granted);
        const views = [market.view()];
        for (const { do: what, lane } of steps) {
          const before = answers(market.book, market.view(), ["allowance"]);
          if (what === "reserve" && before[lane]!.payable) market.reserve(lane);
          if (what === "charge") market.charge(lane);
          if (what === "settle") market.settle(lane, ahead);
          if (what === "hear") market.hear();
          views.push(market.view());
          const [first, ...others] = views.map((view) =>
            answers(market.book, view, ["allowance", "prepaid"])
          );
          for (const other of others) assert.deepEqual(other, first);
          if (ahead > 0n || (what !== "settle" && what !== "hear")) continue;
          assert.deepEqual(answers(market.book, market.view(), ["allowance"]), before);
        }
      },
    );
    fc.assert(property, { numRuns: 150 });
  });
}

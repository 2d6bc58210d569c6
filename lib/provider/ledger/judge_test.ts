import assert from "node:assert/strict";
import type { Hex } from "viem";
import {
  drawOf,
  ID,
  LANE,
  NOW,
  NOW_MS,
  OTHER_LANE,
  OTHER_PAYER,
  PAYER,
  permitOf,
  sale,
  SETTLE_WINDOW,
  SETTLING,
  signatureOf,
  THIRD_LANE,
  TRANSACTION,
  viewOf,
} from "../../../worlds/ledger.ts";
import { PAYER_LANES_MAX } from "../../limits.ts";
import type { Permit } from "../../permit.ts";
import {
  availableTo,
  type Draw,
  judge,
  type PayerView,
  type Position,
  type Refusal,
  roomFor,
  settledBefore,
  type Source,
  usedOn,
} from "./judge.ts";
import { apply, emptyBook, type Entry } from "./journal.ts";

/** What differs from the usual situation. */
interface Situation {
  /** Entries behind the usual ones. */
  more?: readonly Entry[];
  /** Of the credits held on the lane, those for calls that have not come. */
  preheld?: bigint;
  draw?: Partial<Draw>;
  permit?: Partial<Permit>;
  view?: Partial<PayerView>;
  source?: Source;
}

/** Opened at 10; three runs at 5 make it 13; one credit is held; the escrow has taken 11. */
const USUAL: readonly Entry[] = [
  { kind: "open", ...ID, charged: 10n },
  { kind: "permit", ...ID, permit: permitOf() },
  ...sale(1),
  ...sale(2),
  ...sale(3),
  { kind: "reserve", ...ID, reservation: 4, cid: drawOf().cid, price: 5n },
  settle(11n),
];

function settle(settled: bigint, lane: Hex = LANE): Entry {
  return { kind: "settle", payer: PAYER, lane, settled, block: 1n, transaction: TRANSACTION };
}

const REFUSED: Entry = {
  kind: "skip",
  ...ID,
  charged: 13n,
  reason: "PermitExpired",
  transaction: TRANSACTION,
};

/** From here on the lane is settled by this permit alone. */
const by = (changes: Partial<Permit>): Entry => (
  { kind: "permit", ...ID, permit: permitOf(changes) }
);
/** It has ended, and the escrow said so. */
const EXPIRED: readonly Entry[] = [by({ deadline: NOW }), REFUSED];
/** It covers no credit more than are used and held. */
const USED_UP = by({ credits: 14n });

const open = (lane: Hex, charged: bigint, payer = PAYER): Entry => (
  { kind: "open", payer, lane, charged }
);

const laneAt = (n: number): Hex => `0x${String(n).padStart(64, "0")}`;

/** So many lanes with a credit each that is held. */
function lanes(count: number): Entry[] {
  return Array.from({ length: count }, (_, n): Entry[] => [
    open(laneAt(n), 0n),
    { ...ID, lane: laneAt(n), kind: "reserve", reservation: 10 + n, cid: drawOf().cid, price: 0n },
  ]).flat();
}

/** The draw, what the chain says, and the book, where 5 credits more may be held. */
function ask({ more = [], preheld = 0n, draw: drawn, permit, view: seen }: Situation) {
  const book = emptyBook();
  for (const entry of [...USUAL, ...more]) apply(book, entry, NOW_MS);
  const preholds = { ofPayer: () => preheld, onLane: () => preheld, amount: () => 0n };
  const draw = drawOf({
    permit: permitOf({ credits: 20n, deadline: NOW + SETTLE_WINDOW, ...permit }),
    ...drawn,
  });
  const view = viewOf(9n, seen);
  const position: Position = { book, preholds };
  return { draw, view, position };
}

function judgementOf(situation: Situation) {
  const { draw, view, position } = ask(situation);
  return judge(draw, view, position, SETTLING, situation.source ?? "allowance");
}

interface Boundary {
  /** Where it is still payable. */
  last: Situation;
  /** Where it is not. */
  beyond: Situation;
  refusal: Refusal;
  /** 14 where nothing else is said. */
  used?: bigint;
}

const NEW = { draw: { lane: OTHER_LANE }, view: { settled: new Map([[OTHER_LANE, 7n]]) } };
/** And the payer has credits for many. */
const MANY = { view: { ...NEW.view, ceiling: 9_999n } };
const ANOTHER = { signature: signatureOf(2) };

const BOUNDARIES: Record<string, Boundary> = {
  "the permit must outlive the settle window": {
    last: { permit: { deadline: NOW + SETTLE_WINDOW } },
    beyond: { permit: { deadline: NOW + SETTLE_WINDOW - 1n } },
    refusal: { reason: "permit_expiring" },
  },
  "the permit's epoch must outlive the settle window": {
    last: { view: { epochEnd: NOW + SETTLE_WINDOW + 1n } },
    beyond: { view: { epochEnd: NOW + SETTLE_WINDOW } },
    refusal: { reason: "permit_epoch", epoch: 1 },
  },
  "the next epoch's permit counts from the bump on": {
    last: { permit: { epoch: 1 }, view: { epochEnd: 1n } },
    beyond: { permit: { epoch: 2 }, view: { epochEnd: NOW + 9_999n } },
    refusal: { reason: "permit_epoch", epoch: 1 },
  },
  "and not before": {
    last: { permit: { epoch: 3 }, view: { epoch: 3 } },
    beyond: { permit: { epoch: 4 }, view: { epoch: 3 } },
    refusal: { reason: "permit_epoch", epoch: 3 },
  },
  "an epoch that has ended does not come back": {
    last: { permit: { epoch: 3 }, view: { epoch: 3 } },
    beyond: { permit: { epoch: 2 }, view: { epoch: 3 } },
    refusal: { reason: "permit_epoch", epoch: 3 },
  },
  "the permit must cover the price": {
    last: { permit: { price: 5n } },
    beyond: { permit: { price: 4n } },
    refusal: { reason: "permit_price", allowed: 4n },
  },
  "the allowance must cover the price": {
    last: { view: { pricePerCredit: 5n } },
    beyond: { view: { pricePerCredit: 4n } },
    refusal: { reason: "allowance_price", allowed: 4n },
  },
  "one credit of the allowance is enough to have a price": {
    last: { view: { credits: 0n, pricePerCredit: 0n } },
    beyond: { view: { credits: 1n, pricePerCredit: 0n } },
    refusal: { reason: "allowance_price", allowed: 0n },
  },
  "a lane that the escrow refused is served again when it settles": {
    last: { more: [REFUSED, settle(12n)] },
    beyond: { more: [settle(12n), REFUSED] },
    refusal: { reason: "lane_refused", because: "PermitExpired", dearest: 5n },
  },
  "what the escrow has against one permit is nothing against the next": {
    last: { more: EXPIRED, permit: ANOTHER },
    beyond: { more: [...EXPIRED, { ...REFUSED, reason: "NoCredits" }], permit: ANOTHER },
    refusal: { reason: "lane_refused", because: "NoCredits", dearest: 5n },
  },
  "which must be good for what is due by the one before": {
    last: { more: EXPIRED, draw: { price: 4n }, permit: { ...ANOTHER, price: 5n } },
    beyond: { more: EXPIRED, draw: { price: 4n }, permit: { ...ANOTHER, price: 4n } },
    refusal: { reason: "earlier_dearer", price: 5n },
  },
  "the permit must cover one credit more than are used or held": {
    last: { permit: { credits: 15n } },
    beyond: { permit: { credits: 14n } },
    refusal: { reason: "permit_used" },
  },
  "what is held for calls that have not come leaves the permit to this one": {
    last: { preheld: 1n, permit: { credits: 14n } },
    beyond: { preheld: 1n, permit: { credits: 13n } },
    refusal: { reason: "permit_used" },
    used: 13n,
  },
  "a new lane goes on where the escrow is": {
    last: { ...NEW, permit: { credits: 8n } },
    beyond: { ...NEW, permit: { credits: 7n } },
    refusal: { reason: "permit_used" },
    used: 7n,
  },
  "a payer has so many lanes that are not settled and no more": {
    last: { ...NEW, ...MANY, more: [...lanes(PAYER_LANES_MAX - 1), settle(14n)] },
    beyond: { ...NEW, ...MANY, more: lanes(PAYER_LANES_MAX - 1) },
    refusal: { reason: "too_many_lanes", lanes: PAYER_LANES_MAX },
    used: 7n,
  },
  "a lane that is level makes one more of them": {
    last: {
      ...NEW,
      ...MANY,
      more: [settle(14n), open(OTHER_LANE, 7n), ...lanes(PAYER_LANES_MAX - 1)],
    },
    beyond: { ...NEW, ...MANY, more: [open(OTHER_LANE, 7n), ...lanes(PAYER_LANES_MAX - 1)] },
    refusal: { reason: "too_many_lanes", lanes: PAYER_LANES_MAX },
    used: 7n,
  },
  "another permit must cover the dearest credit that is not settled": {
    last: { more: [USED_UP], draw: { price: 4n }, permit: { ...ANOTHER, price: 5n } },
    beyond: { more: [USED_UP], draw: { price: 4n }, permit: { ...ANOTHER, price: 4n } },
    refusal: { reason: "earlier_dearer", price: 5n },
  },
  "a cheaper permit is good once the dearer credits are settled": {
    last: { more: [USED_UP, settle(13n)], draw: { price: 4n }, permit: { ...ANOTHER, price: 4n } },
    beyond: {
      more: [USED_UP, settle(12n)],
      draw: { price: 4n },
      permit: { ...ANOTHER, price: 4n },
    },
    refusal: { reason: "earlier_dearer", price: 5n },
  },
  "the ceiling is above what is used and held": {
    last: { view: { ceiling: 5n } },
    beyond: { view: { ceiling: 4n } },
    refusal: { reason: "no_credits" },
  },
  "what is held for calls that have not come leaves the credit to this one": {
    last: { preheld: 1n, view: { ceiling: 4n } },
    beyond: { preheld: 1n, view: { ceiling: 3n } },
    refusal: { reason: "no_credits" },
    used: 13n,
  },
  "what is prepaid on another lane is not for this one": {
    last: { more: [open(OTHER_LANE, 0n), settle(2n, OTHER_LANE)], view: { ceiling: 7n } },
    beyond: { more: [open(OTHER_LANE, 0n), settle(2n, OTHER_LANE)], view: { ceiling: 6n } },
    refusal: { reason: "no_credits" },
  },
  "what is prepaid on its own lane is": {
    last: { more: [settle(16n)], view: { ceiling: 5n } },
    beyond: { more: [settle(16n)], view: { ceiling: 4n } },
    refusal: { reason: "no_credits" },
  },
  "a payer that is new has all of its ceiling": {
    last: { draw: { payer: OTHER_PAYER }, view: { ceiling: 1n } },
    beyond: { draw: { payer: OTHER_PAYER }, view: { ceiling: 0n } },
    refusal: { reason: "no_credits" },
    used: 0n,
  },
  "what is taken first needs a credit that the escrow has taken and nobody uses": {
    last: { source: "prepaid", more: [settle(15n)] },
    beyond: { source: "prepaid", more: [settle(14n)] },
    refusal: { reason: "not_taken", settled: 14n },
  },
  "a credit that was taken first needs no other": {
    last: { source: "prepaid", more: [settle(15n)], view: { ceiling: 0n } },
    beyond: { source: "prepaid", more: [settle(14n)], view: { ceiling: 0n } },
    refusal: { reason: "no_credits" },
  },
  "of a new lane the escrow has to take one more than it had": {
    last: { ...NEW },
    beyond: { ...NEW, source: "prepaid" },
    refusal: { reason: "not_taken", settled: 7n },
    used: 7n,
  },
};

for (const [name, { last, beyond, refusal, used = 14n }] of Object.entries(BOUNDARIES)) {
  Deno.test(`judge(): ${name}`, () => {
    assert.deepEqual(judgementOf(last), { payable: true });
    assert.deepEqual(judgementOf(beyond), { payable: false, refusal, used });
  });
}

Deno.test("the permit that the lane is settled by stays good, whatever it paid before", () => {
  const own = { signature: permitOf().signature, price: 4n };
  assert.deepEqual(judgementOf({ draw: { price: 4n }, permit: own }), { payable: true });
});

/** Which reasons come up while one thing after the other is put right. */
function reasonsOf(steps: readonly Situation[]): string[] {
  let situation: Situation = {};
  return steps.map((step) => {
    const { draw, permit, view } = situation;
    situation = {
      ...situation,
      ...step,
      draw: { ...draw, ...step.draw },
      permit: { ...permit, ...step.permit },
      view: { ...view, ...step.view },
    };
    const judgement = judgementOf(situation);
    return judgement.payable ? "payable" : judgement.refusal.reason;
  });
}

Deno.test("the first thing that the payer would have to put right is the reason", () => {
  const wrong: Situation = {
    source: "prepaid",
    more: [USED_UP, { ...REFUSED, reason: "NoCredits" }],
    draw: { price: 4n },
    permit: { ...ANOTHER, deadline: NOW, epoch: 1, price: 3n, credits: 14n },
    view: { pricePerCredit: 3n, ceiling: 4n },
  };
  const reasons = reasonsOf([
    wrong,
    { permit: { deadline: NOW + SETTLE_WINDOW } },
    { permit: { epoch: 0 } },
    { permit: { price: 4n } },
    { view: { pricePerCredit: 4n } },
    { more: [USED_UP] },
    { permit: { credits: 15n } },
    { permit: { price: 5n } },
    { view: { ceiling: 5n } },
    { source: "allowance" },
  ]);
  assert.deepEqual(reasons, [
    "permit_expiring",
    "permit_epoch",
    "permit_price",
    "allowance_price",
    "lane_refused",
    "permit_used",
    "earlier_dearer",
    "no_credits",
    "not_taken",
    "payable",
  ]);
});

Deno.test("on a new lane the room for lanes is asked for after the credits of the permit", () => {
  const reasons = reasonsOf([
    {
      ...NEW,
      source: "prepaid",
      more: lanes(PAYER_LANES_MAX - 1),
      permit: { credits: 7n },
      view: { ...NEW.view, ceiling: 4n },
    },
    { permit: { credits: 8n } },
    { more: [] },
    { view: { ceiling: 5n } },
    { source: "allowance" },
  ]);
  const expected = ["permit_used", "too_many_lanes", "no_credits", "not_taken", "payable"];
  assert.deepEqual(reasons, expected);
});

Deno.test("a lane that is open needs no room for another", () => {
  const more = lanes(PAYER_LANES_MAX);
  assert.deepEqual(judgementOf({ more, view: { ceiling: 9_999n } }), { payable: true });
});

Deno.test("a draw on a new lane is not judged on a view that says nothing of it", () => {
  const { draw, view } = ask({ draw: { lane: THIRD_LANE }, view: { settled: new Map() } });
  assert.throws(() => settledBefore(draw, view), /the view does not tell the counter of 0xcccc/);
  assert.throws(() => judgementOf({ draw: { lane: THIRD_LANE }, view: { settled: new Map() } }));
});

Deno.test("what may still be held is bound by permit and ceiling, what a call may have is not", () => {
  const rooms = [
    { permit: { credits: 16n }, room: 2n },
    { view: { ceiling: 7n }, room: 3n },
    { view: { ceiling: 3n }, room: -1n },
    { permit: { credits: 13n }, room: -1n },
  ];
  for (const { room, ...situation } of rooms) {
    const { draw, view, position } = ask({ preheld: 1n, ...situation });
    assert.equal(roomFor(draw, view, position.book), room);
    assert.equal(usedOn(draw, view, position), 13n);
    assert.equal(availableTo(draw, view, position), view.ceiling - 4n + 1n);
  }
});

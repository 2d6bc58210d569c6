/** Judgements where the provider bounded what its operator may settle. */
import assert from "node:assert/strict";
import {
  drawOf,
  ID,
  NOW_MS,
  OTHER_LANE,
  PAYER,
  permitOf,
  PRICE,
  sale,
  SETTLE_WINDOW,
  signatureOf,
  THAWING_PERIOD,
  TRANSACTION,
  viewOf,
} from "../../../worlds/ledger.ts";
import type { Permit } from "../../permit.ts";
import { judge, type PayerView, type Source } from "./judge.ts";
import { apply, emptyBook, type Entry } from "./journal.ts";
import { DAY, type OperatorLimits } from "./operator_room.ts";

const NOW = BigInt(Math.floor(NOW_MS / 1000));

/** Twenty base units are left today. */
const OPERATOR: OperatorLimits = {
  expiry: 1n << 40n,
  dailyCap: 120n,
  spent: 100n,
  day: NOW / DAY,
};

/** Two runs of five base units each are not settled, one credit is held. */
const USUAL: readonly Entry[] = [
  { kind: "open", ...ID, charged: 0n },
  { kind: "permit", ...ID, permit: permitOf() },
  ...sale(1),
  ...sale(2),
  { kind: "reserve", ...ID, reservation: 3, cid: drawOf().cid, price: PRICE },
];

interface Situation {
  operator: Partial<OperatorLimits>;
  more?: readonly Entry[];
  permit?: Partial<Permit>;
  preheld?: bigint;
  thawingPeriod?: bigint;
  view?: Partial<PayerView>;
  source?: Source;
}

/** Why a credit of five base units is not held; null when it is. */
function refusalIn(situation: Situation) {
  const { more = [], permit, preheld = 0n, thawingPeriod = THAWING_PERIOD } = situation;
  const book = emptyBook();
  for (const entry of [...USUAL, ...more]) apply(book, entry, NOW_MS);
  const preholds = {
    ofPayer: () => preheld,
    onLane: () => preheld,
    amount: () => preheld * PRICE,
  };
  const operator = { ...OPERATOR, ...situation.operator };
  const clock = { now: NOW, settleWindow: SETTLE_WINDOW };
  const settling = { ...clock, thawingPeriod, operator, backlog: () => null, rowWorth: 0n };
  const draw = drawOf({ permit: permitOf(permit) });
  const { source = "allowance" } = situation;
  const judged = judge(draw, viewOf(9n, situation.view), { book, preholds }, settling, source);
  return judged.payable ? null : judged.refusal;
}

const CANNOT_SETTLE = {
  reason: "operator_limit",
  retryAfterSeconds: Number(DAY - NOW % DAY),
};

Deno.test("what is used, held and asked for must fit what the operator may settle", () => {
  assert.equal(refusalIn({ operator: {} }), null);
  assert.deepEqual(refusalIn({ operator: { spent: 101n } }), CANNOT_SETTLE);
});

Deno.test("what is held for calls that have not come is no promise", () => {
  assert.equal(refusalIn({ operator: { spent: 105n }, preheld: 1n }), null);
  assert.deepEqual(refusalIn({ operator: { spent: 106n }, preheld: 1n }), CANNOT_SETTLE);
});

Deno.test("an operator whose time is over settles nothing", () => {
  assert.equal(refusalIn({ operator: { dailyCap: 0n, expiry: NOW + 1n } }), null);
  assert.deepEqual(refusalIn({ operator: { dailyCap: 0n, expiry: NOW } }), CANNOT_SETTLE);
});

Deno.test("a prepaid credit asks nothing of the operator, and one to be taken does", () => {
  const over = { operator: { spent: 120n }, source: "prepaid" as const };
  const settled: Entry = {
    kind: "settle",
    ...ID,
    settled: 4n,
    block: 1n,
    transaction: TRANSACTION,
  };
  assert.equal(refusalIn({ ...over, more: [settled] }), null);
  assert.deepEqual(refusalIn(over), CANNOT_SETTLE);
});

Deno.test("what the escrow refused to settle takes nothing of what the operator may", () => {
  const id = { payer: PAYER, lane: OTHER_LANE };
  const other: Entry[] = [{ kind: "open", ...id, charged: 0n }, ...sale(4, PRICE, id)];
  assert.deepEqual(refusalIn({ operator: {}, more: other }), CANNOT_SETTLE);
  const reason = "PermitExpired";
  const refused: Entry = { kind: "skip", ...id, charged: 1n, reason, transaction: TRANSACTION };
  assert.equal(refusalIn({ operator: {}, more: [...other, refused] }), null);
});

Deno.test("a late permit waits for tomorrow's cap, if its payer could not leave before", () => {
  const late = { operator: { spent: 120n }, permit: { deadline: NOW + 3n * DAY } };
  const untilTomorrow = DAY - NOW % DAY + SETTLE_WINDOW;
  assert.deepEqual(refusalIn({ ...late, thawingPeriod: untilTomorrow }), CANNOT_SETTLE);
  assert.equal(refusalIn({ ...late, thawingPeriod: untilTomorrow + 1n }), null);
});

Deno.test("a permit that ends today, or whose epoch does, waits for no cap of tomorrow", () => {
  const thawingPeriod = 2n * DAY;
  const soon = NOW + SETTLE_WINDOW + 1n;
  const at = { operator: { spent: 120n }, thawingPeriod };
  assert.equal(refusalIn(at), null);
  assert.deepEqual(refusalIn({ ...at, permit: { deadline: soon } }), CANNOT_SETTLE);
  const ending = { ...at, view: { epoch: 1, epochEnd: soon } };
  assert.deepEqual(refusalIn({ ...ending, permit: { epoch: 1 } }), CANNOT_SETTLE);
  assert.equal(refusalIn({ ...ending, permit: { epoch: 2 } }), null, "the next epoch goes on");
});

Deno.test("what it owes counts again once another permit covers the lane, and is gone when settled", () => {
  const reason = "WrongEpoch";
  const refused: Entry = { kind: "skip", ...ID, charged: 2n, reason, transaction: TRANSACTION };
  const mended: Entry = { kind: "permit", ...ID, permit: permitOf({ signature: signatureOf(2) }) };
  const at = { operator: { spent: 110n } };
  assert.equal(refusalIn({ ...at, more: [refused] })?.reason, "lane_refused");
  assert.deepEqual(refusalIn({ ...at, more: [refused, mended] }), CANNOT_SETTLE);
  const book = emptyBook();
  const settled: Entry = {
    kind: "settle",
    ...ID,
    settled: 2n,
    block: 1n,
    transaction: TRANSACTION,
  };
  for (const entry of [...USUAL, refused, mended, settled]) apply(book, entry, NOW_MS);
  assert.deepEqual([book.unsettledAmount, book.refusedAmount], [0n, 0n]);
});

/** What one lane more to settle costs: whether it is worth a row, and has room for one. */
import assert from "node:assert/strict";
import type { Hex } from "viem";
import {
  drawOf,
  ID,
  LANE,
  NOW_MS,
  OTHER_LANE,
  PAYER,
  permitOf,
  PRICE,
  sale,
  SETTLING,
  signatureOf,
  THIRD_LANE,
  TRANSACTION,
  viewOf,
} from "../../../worlds/ledger.ts";
import { type Draw, judge, type Settling, type Source } from "./judge.ts";
import { apply, emptyBook, type Entry } from "./journal.ts";

/** One credit is due on the first lane, the second is level, the third is new. */
const USUAL: readonly Entry[] = [
  { kind: "open", ...ID, charged: 0n },
  { kind: "permit", ...ID, permit: permitOf() },
  ...sale(1),
  { kind: "open", payer: PAYER, lane: OTHER_LANE, charged: 4n },
];

interface Situation {
  lane?: Hex;
  more?: readonly Entry[];
  settling?: Partial<Settling>;
  ceiling?: bigint;
  preheld?: bigint;
  source?: Source;
  draw?: Partial<Draw>;
}

function refusalIn(situation: Situation) {
  const { lane = THIRD_LANE, more = [], settling, ceiling = 9n, preheld = 0n } = situation;
  const book = emptyBook();
  for (const entry of [...USUAL, ...more]) apply(book, entry, NOW_MS);
  const preholds = {
    ofPayer: () => preheld,
    onLane: (_: string, of: Hex) => of === lane ? preheld : 0n,
    amount: () => preheld * PRICE,
  };
  const draw = drawOf({ lane, ...situation.draw });
  const { source = "allowance" } = situation;
  const all = { ...SETTLING, ...settling };
  const judged = judge(draw, viewOf(ceiling), { book, preholds }, all, source);
  return judged.payable ? null : judged.refusal;
}

const skip = (reason: string): Entry => (
  { kind: "skip", ...ID, charged: 1n, reason, transaction: TRANSACTION }
);
const holdOn = (lane: Hex): Entry => (
  { kind: "reserve", payer: PAYER, lane, reservation: 9, cid: drawOf().cid, price: PRICE }
);
const healing = { permit: permitOf({ signature: signatureOf(3) }) };

const BEHIND = { settling: { backlog: () => 7 } };
const BACKLOG = { reason: "backlog", retryAfterSeconds: 7 };

Deno.test("while settlement is behind no further lane becomes due, and what is due goes on", () => {
  assert.deepEqual(refusalIn(BEHIND), BACKLOG);
  assert.deepEqual(refusalIn({ ...BEHIND, lane: OTHER_LANE }), BACKLOG);
  assert.equal(refusalIn({ ...BEHIND, lane: LANE }), null);
  assert.equal(refusalIn({ ...BEHIND, lane: OTHER_LANE, more: [holdOn(OTHER_LANE)] }), null);
  assert.equal(refusalIn({}), null);
});

Deno.test("a credit that is held for no call that came makes no lane due", () => {
  const situation = { ...BEHIND, lane: OTHER_LANE, more: [holdOn(OTHER_LANE)], preheld: 1n };
  assert.deepEqual(refusalIn(situation), BACKLOG);
});

Deno.test("a refused lane that heals is one lane more", () => {
  const situation = { lane: LANE, more: [skip("InvalidSignature")], draw: healing };
  assert.equal(refusalIn(situation), null);
  assert.deepEqual(refusalIn({ ...situation, ...BEHIND }), BACKLOG);
});

Deno.test("what the escrow takes before the run is no row", () => {
  const settling = { backlog: () => 7, rowWorth: 1_000n };
  const refusal = { reason: "not_taken", settled: 0n };
  assert.deepEqual(refusalIn({ settling, source: "prepaid" }), refusal);
});

Deno.test("a further lane must be worth a row beside those that the payer has", () => {
  // One of nine credits is used and due: 8 are left, which with it are worth 45.
  const at = (rowWorth: bigint, more: Situation = {}) =>
    refusalIn({ settling: { rowWorth }, ...more });
  assert.equal(at(22n), null);
  assert.deepEqual(at(23n), { reason: "dust_lanes", lanes: 1, locked: 45n, needed: 46n });
  assert.equal(at(1_000n, { lane: LANE }), null, "a lane that is due has its row");
  const settled: Entry = { kind: "settle", ...ID, settled: 1n, block: 1n, transaction: null };
  assert.equal(at(40n, { more: [settled] }), null, "eight credits are left, and one row");
  assert.deepEqual(at(41n, { more: [settled] }), {
    reason: "dust_lanes",
    lanes: 0,
    locked: 40n,
    needed: 41n,
  });
});

Deno.test("what is written off is worth nothing, and keeps its lane", () => {
  const more = [skip("NoCredits")];
  const at = (rowWorth: bigint) => refusalIn({ settling: { rowWorth }, more });
  assert.equal(at(20n), null);
  assert.deepEqual(at(21n), { reason: "dust_lanes", lanes: 1, locked: 40n, needed: 42n });
  const draw = healing;
  const heal = (rowWorth: bigint) =>
    refusalIn({ settling: { rowWorth }, more: [skip("InvalidSignature")], lane: LANE, draw });
  assert.equal(heal(40n), null, "a lane that heals is the one that it was");
  assert.equal(heal(41n)?.reason, "dust_lanes");
});

Deno.test("who has no credits left is told so first, and what is ours to mend comes last", () => {
  const settling = { rowWorth: 1_000n, backlog: () => 7 };
  assert.equal(refusalIn({ settling, ceiling: 1n })?.reason, "no_credits");
  assert.equal(refusalIn({ settling })?.reason, "dust_lanes");
  assert.equal(refusalIn({ settling: { ...settling, rowWorth: 1n } })?.reason, "backlog");
});

/** Which permit one more credit is promised under: the call's own, or one that the lane has. */
import assert from "node:assert/strict";
import {
  drawOf,
  ID,
  NOW_MS,
  OTHER_PAYER,
  PAYER,
  permitOf,
  sale,
  SETTLE_WINDOW,
  signatureOf,
  THAWING_PERIOD,
  viewOf,
} from "../../../worlds/ledger.ts";
import type { Permit } from "../../permit.ts";
import { type Draw, judge, ownPermit, type PayerView } from "./judge.ts";
import { apply, emptyBook, type Entry } from "./journal.ts";

const NOW = BigInt(Math.floor(NOW_MS / 1000));
const CLOCK = { now: NOW, settleWindow: SETTLE_WINDOW };
const DEADLINE = NOW + 1_000n;
/** One credit at 5 is due by it. */
const HELD = { credits: 3n, price: 5n, deadline: DEADLINE, epoch: 1, signature: signatureOf(1) };

interface Situation {
  permit?: Partial<Permit>;
  draw?: Partial<Draw>;
  view?: Partial<PayerView>;
  more?: readonly Entry[];
}

/** Whether what the lane has is as good. */
function isServedByHeld({ permit, draw: drawn, view, more = [] }: Situation): boolean {
  const book = emptyBook();
  const entries: Entry[] = [
    { kind: "open", ...ID, charged: 0n },
    { kind: "permit", ...ID, permit: permitOf(HELD), signer: PAYER },
    ...sale(1),
    ...more,
  ];
  for (const entry of entries) apply(book, entry, NOW_MS);
  const position = { book, preholds: { ofPayer: () => 0n, onLane: () => 0n, amount: () => 0n } };
  const draw = drawOf({ permit: permitOf({ ...HELD, signature: signatureOf(2), ...permit }) });
  const seen = viewOf(9n, { epoch: 1, ...view });
  const own = ownPermit({ ...draw, ...drawn }, seen, position, CLOCK);
  assert.ok(own === null || own.signature === HELD.signature);
  return own !== null;
}

const reserve: Entry = { kind: "reserve", ...ID, reservation: 9, cid: drawOf().cid, price: 5n };

Deno.test("a lane needs no other permit while one that it has covers the credit for as long", () => {
  assert.ok(isServedByHeld({}));
  assert.ok(isServedByHeld({ permit: { credits: 99n, price: 99n } }), "more is not needed yet");
  assert.ok(!isServedByHeld({ permit: { deadline: DEADLINE + 1n } }));
  assert.ok(isServedByHeld({ more: [reserve] }));
  assert.ok(!isServedByHeld({ more: [reserve, { ...reserve, reservation: 10 }] }));
  assert.ok(!isServedByHeld({ draw: { price: 6n }, permit: { price: 6n } }));
});

Deno.test("one that another signed, or whose epoch is not in force, is not as good", () => {
  assert.ok(!isServedByHeld({ view: { signer: OTHER_PAYER } }));
  assert.ok(!isServedByHeld({ permit: { epoch: 0 }, view: { epoch: 0 } }));
  const epochEnd = NOW + SETTLE_WINDOW;
  assert.ok(!isServedByHeld({ permit: { epoch: 2 }, view: { epochEnd } }), "and ends too soon");
  assert.ok(isServedByHeld({ permit: { epoch: 0 }, view: { epoch: 0, epochEnd } }));
});

Deno.test("a refused lane has none, and a payer that is new has none", () => {
  const transaction = signatureOf(9);
  const skip: Entry = { kind: "skip", ...ID, charged: 1n, reason: "WrongEpoch", transaction };
  assert.ok(!isServedByHeld({ more: [skip] }));
  const other = { payer: OTHER_PAYER };
  assert.ok(!isServedByHeld({ draw: other }));
});

Deno.test("one that the lane has no room for is refused, for what was promised for longer", () => {
  const book = emptyBook();
  const by = (deadline: bigint, credits: bigint): Entry => {
    const permit = permitOf({ deadline, credits, signature: signatureOf(Number(deadline)) });
    return { kind: "permit", ...ID, permit, signer: PAYER };
  };
  const entries: Entry[] = [
    { kind: "open", ...ID, charged: 0n },
    by(DEADLINE, 1n),
    ...sale(1),
    by(DEADLINE - 1n, 2n),
    ...sale(2),
  ];
  for (const entry of entries) apply(book, entry, NOW_MS);
  const position = { book, preholds: { ofPayer: () => 0n, onLane: () => 0n, amount: () => 0n } };
  const settling = {
    ...CLOCK,
    thawingPeriod: THAWING_PERIOD,
    operator: null,
    backlog: () => null,
    rowWorth: 0n,
  };
  const refusalOf = (deadline: bigint) => {
    const draw = drawOf({ permit: permitOf({ deadline, credits: 3n, signature: signatureOf(3) }) });
    const judged = judge(draw, viewOf(9n), position, settling, "allowance");
    return judged.payable ? null : judged.refusal;
  };
  const refusal = { reason: "earlier_longer", deadline: DEADLINE };
  assert.deepEqual(refusalOf(DEADLINE - 2n), refusal);
  assert.equal(refusalOf(DEADLINE - 1n), null, "as good as one of them");
  apply(book, {
    kind: "settle",
    ...ID,
    settled: 1n,
    block: 1n,
    transaction: null,
  }, NOW_MS);
  assert.equal(refusalOf(DEADLINE - 2n), null, "what the longest covered is settled");
});

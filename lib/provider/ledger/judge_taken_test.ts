/** Judgements of a credit that the escrow took for this very call. */
import assert from "node:assert/strict";
import {
  drawOf,
  ID,
  NOW,
  OTHER_LANE,
  permitOf,
  PRICE,
  sale,
  SETTLING,
  signatureOf,
  TRANSACTION,
  viewOf,
} from "../../../worlds/ledger.ts";
import { type Draw, judge, type PayerView } from "./judge.ts";
import { apply, emptyBook, type Entry } from "./journal.ts";

/** Settlement that takes nothing more. */
const SPENT = {
  ...SETTLING,
  operator: { expiry: 0n, dailyCap: 0n, spent: 0n, day: 0n },
  backlog: () => 1,
  rowWorth: 1_000n,
};

const taken = (settled: bigint): Entry => (
  { kind: "settle", ...ID, settled, block: 1n, transaction: TRANSACTION }
);

interface Situation {
  more?: readonly Entry[];
  draw?: Partial<Draw>;
  view?: Partial<PayerView>;
}

/** A lane that was opened at 7, on which one run was used: 8. */
function judgedIn({ more = [], draw = {}, view = {} }: Situation) {
  const book = emptyBook();
  const usual: Entry[] = [
    { kind: "open", ...ID, charged: 7n },
    { kind: "permit", ...ID, permit: permitOf() },
    ...sale(1),
  ];
  for (const entry of [...usual, ...more]) apply(book, entry, 0);
  const preholds = { ofPayer: () => 0n, onLane: () => 0n, amount: () => 0n };
  return judge(drawOf(draw), viewOf(9n, view), { book, preholds }, SPENT, "taken");
}

Deno.test("a credit that was taken is the call's, whatever happened since", () => {
  const since: Situation[] = [
    {},
    { draw: { permit: permitOf({ deadline: NOW }) } },
    { draw: { permit: permitOf({ epoch: 9 }) } },
    { draw: { price: PRICE + 1n } },
    { draw: { permit: permitOf({ credits: 8n, signature: signatureOf(2) }) } },
    { view: { credits: 1n, ceiling: 0n, pricePerCredit: 0n } },
  ];
  for (const { draw = {}, view = {} } of since) {
    assert.deepEqual(judgedIn({ more: [taken(9n)], draw, view }), { payable: true });
  }
});

Deno.test("unless another call has used it or holds it", () => {
  const { cid } = drawOf();
  const held: Entry = { kind: "reserve", ...ID, reservation: 2, cid, price: PRICE };
  const cases = { "used": [taken(8n)], "held": [taken(9n), held] };
  for (const [name, more] of Object.entries(cases)) {
    const judged = judgedIn({ more });
    assert.ok(!judged.payable, name);
    assert.deepEqual(judged.refusal, { reason: "not_taken", settled: name === "used" ? 8n : 9n });
  }
});

Deno.test("on a lane that was not opened the view tells what had been taken", () => {
  const draw = { lane: OTHER_LANE };
  const judged = judgedIn({ draw, view: { settled: new Map([[OTHER_LANE, 3n]]) } });
  assert.ok(!judged.payable);
  assert.deepEqual(judged.refusal, { reason: "not_taken", settled: 3n });
  assert.equal(judged.used, 3n);
});

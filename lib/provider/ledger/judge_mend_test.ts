/** What puts a lane right that the escrow refused to settle: the payer's word may be good again. */
import assert from "node:assert/strict";
import {
  drawOf,
  ID,
  NOW,
  NOW_MS,
  OTHER_PAYER,
  PAYER,
  permitOf,
  sale,
  SETTLE_WINDOW,
  SETTLING,
  signatureOf,
  TRANSACTION,
  viewOf,
} from "../../../worlds/ledger.ts";
import type { Permit } from "../../permit.ts";
import { type Draw, judge, type PayerView } from "./judge.ts";
import { apply, emptyBook, type Entry, laneOf } from "./journal.ts";

const ALIVE = NOW + SETTLE_WINDOW;
/** By which two credits at 5 were used. */
const FAULTY = { price: 5n, credits: 9n, deadline: ALIVE, epoch: 1, signature: signatureOf(1) };

/** Whether the lane is served again with `permit`, after it was refused for `reason`. */
function isMended(
  reason: string,
  permit: Partial<Permit>,
  seen: Partial<PayerView> = {},
  before: readonly Partial<Permit>[] = [FAULTY],
  drawn: Partial<Draw> = {},
): boolean {
  const book = emptyBook();
  const kept = before.map((each): Entry => (
    { kind: "permit", ...ID, permit: permitOf({ ...FAULTY, ...each }), signer: PAYER }
  ));
  const transaction = TRANSACTION;
  const entries: Entry[] = [
    { kind: "open", ...ID, charged: 0n },
    ...kept,
    ...sale(1),
    ...sale(2),
    { kind: "skip", ...ID, charged: 2n, reason, transaction },
  ];
  for (const entry of entries) apply(book, entry, NOW_MS);
  const preholds = { ofPayer: () => 0n, onLane: () => 0n, amount: () => 0n };
  const offered = permitOf({ ...FAULTY, signature: signatureOf(2), ...permit });
  const draw = drawOf({ permit: offered, ...drawn });
  const view = viewOf(99n, { epoch: 1, pricePerCredit: 9n, ...seen });
  const judged = judge(draw, view, { book, preholds }, SETTLING, "allowance");
  if (judged.payable) return true;
  assert.equal(judged.refusal.reason, "lane_refused");
  return false;
}

const BUMPED = { epochEnd: ALIVE + 99n };

/** What the permit must be better in, and what it may be instead without any use. */
const CURES: [reason: string, cure: Partial<Permit>, none: Partial<Permit>[]][] = [
  ["PermitExpired", { deadline: ALIVE + 1n }, [{ credits: 10n }, { price: 6n }]],
  ["WrongEpoch", { epoch: 2 }, [{ credits: 10n }, { price: 6n }, { deadline: ALIVE + 1n }]],
  ["InvalidSignature", {}, [{ signature: FAULTY.signature }]],
  ["PermitExceeded", { credits: 10n }, [{ deadline: ALIVE + 1n }, { price: 6n }]],
  ["PriceTooHigh", { price: 6n }, [{ credits: 10n }, { deadline: ALIVE + 1n }]],
];

for (const [reason, cure, none] of CURES) {
  Deno.test(`a lane that was refused for ${reason} heals by what is better in just that`, () => {
    assert.ok(isMended(reason, cure, BUMPED));
    assert.ok(isMended(reason, { ...cure, credits: cure.credits ?? 3n }, BUMPED), "fewer credits");
    for (const change of none) {
      assert.ok(!isMended(reason, change, BUMPED), JSON.stringify(Object.keys(change)));
    }
    assert.ok(!isMended(reason, FAULTY, BUMPED), "the same again");
    if (reason === "InvalidSignature") return;
    assert.ok(!isMended(reason, {}, BUMPED), "one that is equal to it");
  });
}

Deno.test("no permit is of use where the allowance is at fault", () => {
  const best = { price: 9n, credits: 99n, deadline: ALIVE + 9n, epoch: 2 };
  for (const reason of ["InsufficientCredits", "DailyCapReached", "0x12345678"]) {
    assert.ok(!isMended(reason, best, BUMPED), reason);
  }
});

Deno.test("nor is a dearer one while the allowance pays less than what is due costs", () => {
  const dearer = { price: 6n };
  const draw = { price: 4n };
  assert.ok(isMended("PriceTooHigh", dearer, { pricePerCredit: 5n }, [FAULTY], draw));
  assert.ok(!isMended("PriceTooHigh", dearer, { pricePerCredit: 4n }, [FAULTY], draw));
});

Deno.test("it is the permit that settles what is due next that has to be bettered", () => {
  const long = { credits: 1n, deadline: ALIVE + 999n, signature: signatureOf(7) };
  const wide = { deadline: ALIVE + 1n, signature: signatureOf(8) };
  const mended = (deadline: bigint) => isMended("PermitExpired", { deadline }, {}, [long, wide]);
  assert.deepEqual([mended(ALIVE + 999n), mended(ALIVE + 1_000n)], [false, true]);
});

Deno.test("what the escrow refused does not settle the lane again", () => {
  const book = emptyBook();
  const by = (changes: Partial<Permit>): Entry => (
    { kind: "permit", ...ID, permit: permitOf(changes), signer: PAYER }
  );
  const skip: Entry = {
    kind: "skip",
    ...ID,
    charged: 1n,
    reason: "InvalidSignature",
    transaction: TRANSACTION,
  };
  const next = { credits: 2n, deadline: ALIVE, signature: signatureOf(2) };
  const open: Entry = { kind: "open", ...ID, charged: 0n };
  for (const entry of [open, by({}), ...sale(1), skip, by(next)]) apply(book, entry, NOW_MS);
  const lane = laneOf(book, ID.payer, ID.lane)!;
  assert.deepEqual(lane.permits, [{ permit: permitOf(next), signer: PAYER }]);
  assert.deepEqual([lane.refused, book.due.size, book.refusedAmount], [null, 1, 0n]);
});

Deno.test("a permit by who signs now heals what was refused of another signer's", () => {
  assert.ok(isMended("InvalidSignature", { signature: signatureOf(2) }, { signer: OTHER_PAYER }));
});

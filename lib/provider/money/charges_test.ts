import assert from "node:assert/strict";
import { getAddress, type Hex, pad } from "viem";
import { exactLane } from "../../exact_payment.ts";
import type { Purchase } from "../ledger/purchase_rows.ts";
import { purchaseReservation, receiptedIn, wasCharged } from "./charges.ts";

const ANNA = getAddress(pad("0xa1", { size: 20 }));
const HASH: Hex = pad("0x5");
const FACTS = { credits: 1, requestHash: null, responseHash: HASH, startedAt: 3, durationMs: 4 };
const AUTHORIZATION = {
  from: ANNA,
  to: ANNA,
  value: 10n,
  validAfter: 0n,
  validBefore: 1n,
  nonce: HASH,
};

function purchase(changes: Partial<Purchase> = {}): Purchase {
  return {
    id: 7,
    authorization: AUTHORIZATION,
    signature: "0x51",
    cid: "bafk" as Purchase["cid"],
    request: new Uint8Array(),
    key: null,
    block: 0n,
    state: "paid",
    transaction: HASH,
    paidIn: { number: 1n, hash: HASH },
    outcome: "answered",
    facts: FACTS as never,
    ...changes,
  };
}

const CREDIT = { payer: ANNA, lane: HASH, outcome: "answered", facts: {} };
const ledger = (known: number) =>
  ({
    receipted: (reservation: number) => reservation === known ? CREDIT : undefined,
  }) as never;
const book = (known: Purchase | null) => ({
  numbered: (id: number) => known?.id === id ? known : null,
});

Deno.test("numbers of purchases are below those of credits, and each finds its own", async () => {
  assert.equal(purchaseReservation(7), -7);
  const receipted = receiptedIn(ledger(7), book(purchase()));
  assert.equal(await receipted(7), CREDIT);
  assert.equal(await receipted(8), undefined);
  assert.equal(await receipted(-8), undefined);
  assert.deepEqual(await receipted(-7), {
    payer: ANNA,
    lane: exactLane(AUTHORIZATION),
    outcome: "answered",
    facts: { ...FACTS, cid: "bafk", price: 10n, charged: 1n },
  });
});

Deno.test("a purchase without an end, or facts, has no receipt", async () => {
  for (const changes of [{ outcome: null }, { facts: null }]) {
    const receipted = receiptedIn(ledger(7), book(purchase(changes)));
    assert.equal(await receipted(-7), undefined);
  }
});

Deno.test("what was charged is what has an end", () => {
  const charged = (known: Purchase | null, reservation: number) =>
    wasCharged({ ledger: ledger(7), purchases: book(known) }, reservation);
  assert.deepEqual([7, 8].map((id) => charged(null, id)), [true, false]);
  const first = wasCharged({ ledger: ledger(0), purchases: book(null) }, 0);
  assert.equal(first, true);
  assert.equal(charged(purchase({ facts: null }), -7), true);
  assert.equal(charged(purchase({ outcome: null }), -7), false);
  assert.equal(charged(null, -7), false);
});

import assert from "node:assert/strict";
import { histories, withHistory } from "../../../worlds/outbox/histories.ts";
import { COMMAND_LINE, heal, OPERATOR } from "../../../worlds/outbox/model.ts";
import type { Fees, Price } from "./fees.ts";
import { chooseNonce } from "./nonce.ts";
import { type Flight, NO_DOUBTS, plan, type Policy } from "./plan.ts";

/** Events of the longest courses; one more takes six times as long. */
const LENGTH = Number(Deno.env.get("KHACHAPURI_EVENTS") ?? 6);

const NOW = 100_000;
const POLICY: Policy = {
  rebroadcastAfterMs: 1_000,
  giveUpAfterMs: null,
  repair: { afterMs: 30_000, holeMax: 64, closeEvery: 1, feeMax: null },
};

const GWEI = 10n ** 9n;
/** Base fee 10, tip 1: a transaction that is signed now may pay 21. */
const PRICE: Price = { head: 100n, baseFee: 10n * GWEI, tip: GWEI };
const feesOf = (max: bigint, tip = 1n): Fees => ({
  maxFeePerGas: max * GWEI,
  maxPriorityFeePerGas: tip * GWEI,
});

/** A settlement that pays what is asked, sent a block ago. */
const flight = (nonce: number, ageMs = 0, changes: Partial<Flight> = {}): Flight => ({
  nonce,
  rank: "settlement",
  costMax: null,
  gas: 100_000n,
  fees: feesOf(21n),
  forms: { length: 1 },
  sentAt: NOW - ageMs,
  broadcastAt: NOW - ageMs,
  sentHead: 99n,
  lacksCoin: false,
  ...changes,
});

interface Look {
  count?: number | null;
  holeSince?: number | null;
  missing?: readonly number[];
  price?: Price | null;
  policy?: Policy;
}

/** The actions for flights of which none has a receipt. */
function actionsFor(flights: readonly Flight[], look: Look = {}) {
  const { count = 5, holeSince = null, missing = [], price = PRICE, policy = POLICY } = look;
  const receipts = new Map(flights.map(({ nonce }) => [nonce, null]));
  const doubts = { ...NO_DOUBTS, holeSince };
  const seen = { count, receipts, missing: new Set(missing), price };
  return plan({ flights, doubts, seen, now: NOW }, policy).actions;
}

/** It has waited long enough at too low a fee, and blocks went by. */
const stuck = (changes: Partial<Flight> = {}) =>
  flight(5, 30_000, { fees: feesOf(9n), broadcastAt: NOW, ...changes });
/** What is paid now, and an eighth more than the last tip. */
const PAID: Fees = { ...feesOf(21n), maxPriorityFeePerGas: GWEI + GWEI / 8n + 1n };
const raise = (fees: Fees, nonce = 5) => [{ kind: "raise", nonce, fees }];

function survivesAll(policy: Policy): void {
  let situations = 0;
  for (const { events, model } of histories(policy, LENGTH)) {
    situations += 1;
    withHistory(events, () => heal(model, policy));
  }
  assert.ok(situations > 1_000, `only ${situations} situations`);
}

Deno.test("no course of events breaks a rule or leaves the operator's transactions out", () => {
  survivesAll(OPERATOR);
});

Deno.test("nor the command line's", () => {
  survivesAll(COMMAND_LINE);
});

Deno.test("an unmined transaction is broadcast again when it is lost, and now and then", () => {
  assert.deepEqual(actionsFor([flight(5, 999)]), []);
  assert.deepEqual(actionsFor([flight(5, 1_000)]), [{ kind: "broadcast", nonce: 5 }]);
  assert.deepEqual(actionsFor([flight(5)], { missing: [5] }), [{ kind: "broadcast", nonce: 5 }]);
});

Deno.test("a fee that has become too low is raised to what is paid now, and not before it is time", () => {
  assert.deepEqual(actionsFor([stuck()]), raise(PAID));
  assert.deepEqual(actionsFor([stuck({ sentAt: NOW - 29_999 })]), []);
});

Deno.test("what a higher fee does not cure is no reason to raise it", () => {
  const cases: [string, Partial<Flight>, Look?][] = [
    ["no coin", { lacksCoin: true }],
    ["no block since it was sent", { sentHead: 100n }],
    ["no block known since it was taken up", { sentHead: null }],
    ["it pays what is asked", { fees: feesOf(21n) }],
    ["it pays more", { fees: feesOf(500n, 90n) }],
    ["the price is not known", {}, { price: null }],
    ["the chain does not answer", {}, { count: null }],
  ];
  for (const [why, changes, look] of cases) {
    assert.deepEqual(actionsFor([stuck(changes)], look), [], why);
  }
});

Deno.test("no fee is raised above what the transaction is worth, or the configuration allows", () => {
  const worth = (gwei: bigint) => stuck({ costMax: gwei * GWEI * 100_000n });
  const capped = { ...PAID, maxFeePerGas: 15n * GWEI };
  assert.deepEqual(actionsFor([worth(15n)]), raise(capped));
  // Less than a tenth more is no replacement.
  assert.deepEqual(actionsFor([worth(9n)]), []);
  const policy = { ...POLICY, repair: { ...POLICY.repair!, feeMax: 15n * GWEI } };
  assert.deepEqual(actionsFor([stuck()], { policy }), raise(capped));
  assert.deepEqual(actionsFor([worth(40n)], { policy }), raise(capped));
});

Deno.test("what stands in front is raised to what the dearest behind it is worth", () => {
  const front = stuck({ costMax: 9n * GWEI * 100_000n });
  const behind = flight(6, 0, { gas: 50_000n, costMax: 18n * GWEI * 50_000n });
  const capped = { ...PAID, maxFeePerGas: 18n * GWEI };
  assert.deepEqual(actionsFor([front, behind]), raise(capped));
  assert.deepEqual(actionsFor([front, { ...behind, rank: "filler", costMax: null }]), []);
  assert.deepEqual(actionsFor([{ ...front, nonce: 7 }, behind]), []);
});

Deno.test("a relay whose fee is too low gives way to a settlement at once", () => {
  const relay = flight(5, 0, { rank: "relay", fees: feesOf(9n), sentHead: 100n });
  const rich = { ...relay, costMax: 30n * GWEI * 100_000n };
  const poor = { ...relay, costMax: 10n * GWEI * 100_000n };
  const settlement = flight(6);
  assert.deepEqual(actionsFor([rich]), []);
  assert.deepEqual(actionsFor([rich, settlement]), raise(PAID));
  assert.deepEqual(actionsFor([poor, settlement]), [{ kind: "give way", nonce: 5, fees: PAID }]);
  const good = { ...poor, fees: feesOf(15n) };
  assert.deepEqual(actionsFor([good, settlement]), [], "it is mined soon");
  assert.deepEqual(actionsFor([{ ...poor, nonce: 7 }, settlement]), [], "nothing waits for it");
  const other = { ...settlement, rank: "relay" } as const;
  assert.deepEqual(actionsFor([poor, other]), [], "nor does another relay make it go");
});

Deno.test("a look works on so many transactions and no more, the front ones first", () => {
  const many = Array.from({ length: 100 }, (_, index) => flight(104 - index, 2_000));
  const nonces = actionsFor(many).map((action) => action.kind === "broadcast" && action.nonce);
  assert.deepEqual(nonces, [5, 6, 7, 8, 9, 10, 11, 12]);
});

Deno.test("few free nonces are filled before all else, with many all that waits is given up", () => {
  const holeSince = NOW - 30_000;
  assert.deepEqual(actionsFor([flight(69, 1_000)], { holeSince }), [
    { kind: "fill", from: 5, below: 69 },
    { kind: "broadcast", nonce: 69 },
  ]);
  assert.deepEqual(actionsFor([flight(70), flight(71)], { holeSince }), [
    { kind: "give up", nonce: 70, reason: "far ahead" },
    { kind: "give up", nonce: 71, reason: "far ahead" },
  ]);
});

Deno.test("free nonces are left alone by who did not ask whether what waits is mined", () => {
  const doubts = { ...NO_DOUBTS, holeSince: NOW - 30_000 };
  const seen = { count: 5, receipts: new Map(), missing: new Set<number>(), price: PRICE };
  const planned = plan({ flights: [flight(69)], doubts, seen, now: NOW }, POLICY);
  assert.deepEqual(planned.actions, []);
  // And goes on to doubt.
  assert.equal(planned.doubts.holeSince, NOW - 30_000);
});

Deno.test("without the chain's count nothing is done about nonces", () => {
  assert.deepEqual(actionsFor([flight(69, 60_000)], { count: null, holeSince: NOW - 60_000 }), []);
});

Deno.test("a node that lags behind does not have a nonce chosen twice", () => {
  const mined = { own: 6, pending: 5, out: [] };
  assert.equal(chooseNonce(mined, OPERATOR), 6);
  const waiting = { own: 7, pending: 5, out: [6] };
  assert.equal(chooseNonce(waiting, OPERATOR), 7);
  assert.equal(chooseNonce(waiting, COMMAND_LINE), 7);
  assert.equal(chooseNonce({ own: null, pending: 5, out: [5, 6] }, COMMAND_LINE), 7);
});

Deno.test("who mends nothing asks the node for each nonce, who mends relies on its own count", () => {
  const basis = { own: 6, pending: null, out: [] };
  assert.equal(chooseNonce(basis, COMMAND_LINE), null);
  assert.equal(chooseNonce({ ...basis, pending: 9 }, COMMAND_LINE), 9);
  assert.equal(chooseNonce(basis, OPERATOR), 6);
  assert.equal(chooseNonce({ ...basis, own: null }, OPERATOR), null);
});

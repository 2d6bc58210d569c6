import assert from "node:assert/strict";
import { histories, withHistory } from "../../../worlds/outbox/histories.ts";
import { COMMAND_LINE, heal, OPERATOR } from "../../../worlds/outbox/model.ts";
import { chooseNonce, type Flight, NO_DOUBTS, plan, type Policy, raiseFees } from "./plan.ts";

/** Events of the longest courses; one more takes four times as long. */
const LENGTH = Number(Deno.env.get("KHACHAPURI_EVENTS") ?? 7);

const NOW = 100_000;
const POLICY: Policy = {
  rebroadcastAfterMs: 1_000,
  giveUpAfterMs: null,
  repair: { afterMs: 30_000, holeMax: 64 },
};

const flight = (nonce: number, ageMs = 0): Flight => ({
  nonce,
  sentAt: NOW - ageMs,
  broadcastAt: NOW - ageMs,
});

/** The actions for flights of which none has a receipt. */
function actionsFor(flights: readonly Flight[], count: number | null, holeSince: number | null) {
  const receipts = new Map(flights.map(({ nonce }) => [nonce, null]));
  const doubts = { ...NO_DOUBTS, holeSince };
  return plan({ flights, doubts, seen: { count, receipts }, now: NOW }, POLICY).actions;
}

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

Deno.test("an unmined transaction is broadcast again, and its fee is raised once it is stuck", () => {
  assert.deepEqual(actionsFor([flight(5, 999)], 5, null), []);
  assert.deepEqual(actionsFor([flight(5, 1_000)], 5, null), [{ kind: "broadcast", nonce: 5 }]);
  assert.deepEqual(actionsFor([flight(5, 30_000)], 5, null), [{ kind: "raise", nonce: 5 }]);
});

Deno.test("few free nonces are filled before all else, with many all that waits is given up", () => {
  const since = NOW - 30_000;
  assert.deepEqual(actionsFor([flight(69, 1_000)], 5, since), [
    { kind: "fill", from: 5, below: 69 },
    { kind: "broadcast", nonce: 69 },
  ]);
  assert.deepEqual(actionsFor([flight(70), flight(71)], 5, since), [
    { kind: "give up", nonce: 70, reason: "far ahead" },
    { kind: "give up", nonce: 71, reason: "far ahead" },
  ]);
});

Deno.test("without the chain's count nothing is done about nonces", () => {
  assert.deepEqual(actionsFor([flight(69, 60_000)], null, NOW - 60_000), []);
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

Deno.test("a raised fee is one that nodes take for the same nonce, however small it was", () => {
  for (const fee of [0n, 1n, 9n, 10n ** 9n]) {
    const raised = raiseFees({ maxFeePerGas: fee, maxPriorityFeePerGas: fee });
    assert.ok(raised.maxFeePerGas > fee && raised.maxFeePerGas * 10n >= fee * 11n);
    assert.ok(raised.maxPriorityFeePerGas * 10n >= fee * 11n);
  }
});

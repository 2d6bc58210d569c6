import assert from "node:assert/strict";
import { alarmsOf, type OutboxState, type WaitingFlight } from "./alarms.ts";

const NOW = 10_000_000;
const MINUTE = 60_000;
const GWEI = 10n ** 9n;

/** It went out a minute ago and pays what is asked. */
const FRONT: WaitingFlight = {
  nonce: 5,
  rank: "settlement",
  costMax: null,
  gas: 100_000n,
  fees: { maxFeePerGas: 21n * GWEI, maxPriorityFeePerGas: GWEI },
  forms: { length: 1 },
  since: NOW - MINUTE,
  sentAt: NOW - MINUTE,
  broadcastAt: NOW,
  sentHead: 1n,
  lacksCoin: false,
};

function alarms(front: Partial<WaitingFlight>, state: Partial<OutboxState> = {}) {
  const flights = [{ ...FRONT, nonce: 6 }, { ...FRONT, ...front }];
  return alarmsOf({
    flights,
    balance: 10n ** 15n,
    price: { head: 9n, baseFee: 10n * GWEI, tip: GWEI },
    headAt: NOW,
    minedAt: NOW - MINUTE,
    usedElsewhereAt: null,
    raises: 0,
    feeMax: null,
    ...state,
  }, NOW);
}

Deno.test("all is well while transactions are young, and while there are none", () => {
  assert.deepEqual(alarms({}), []);
  assert.deepEqual(alarms({}, { flights: [], headAt: 0, minedAt: 0 }), []);
});

Deno.test("of several troubles that of the front transaction is told that causes the others", () => {
  const long = { since: NOW - 60 * MINUTE };
  const state = { minedAt: 0 };
  assert.deepEqual(alarms({ ...long, lacksCoin: true }, { ...state, headAt: 0 }), [
    "the operator is out of gas coin: it has 0.001 ETH, its next transaction needs 0.0021",
  ]);
  assert.deepEqual(alarms(long, { ...state, headAt: NOW - 7 * MINUTE }), [
    "no new block for 7 minutes while 2 of the operator's transactions wait",
  ]);
  const low = { fees: { maxFeePerGas: 9n * GWEI, maxPriorityFeePerGas: GWEI } };
  assert.deepEqual(alarms({ ...long, ...low }, { ...state, feeMax: 10n * GWEI }), [
    "gas costs 11 gwei, the operator's next transaction may pay 10",
  ]);
  assert.deepEqual(alarms(long, state), [
    "nothing mined for 60 minutes though blocks are made: 2 of the operator's transactions wait",
  ]);
});

Deno.test("what is mined meanwhile is no trouble, nor is a chain that was still before", () => {
  assert.deepEqual(alarms({ since: NOW - 60 * MINUTE }), []);
  assert.deepEqual(alarms({}, { headAt: NOW - 60 * MINUTE }), []);
});

Deno.test("that the key is used elsewhere is told for an hour, also with nothing out", () => {
  const told = alarms({}, { flights: [], usedElsewhereAt: NOW - 59 * MINUTE });
  assert.match(told.join(), /used elsewhere\?$/);
  assert.deepEqual(alarms({}, { usedElsewhereAt: NOW - 61 * MINUTE }), []);
});

import assert from "node:assert/strict";
import type { Hex } from "viem";
import { type Debt, overdue, type Pace } from "./turns.ts";

/** Two rows a block. */
const PACE: Pace = { intervalSeconds: 10, blockSeconds: 2, shareGas: 100 };

const debt = (payer: number, chargedAt: number, settledAt: number | null): Debt => ({
  payer: `0x${String(payer).padStart(40, "0")}`,
  lane: `0x${"01".repeat(32)}` as Hex,
  chargedAt,
  settledAt,
  endsAt: 1_000,
  gas: 50,
});

const payersOf = (debts: readonly Debt[], now = 500) =>
  overdue(debts, PACE, now).map(({ debt, by }) => [Number(debt.payer), by]);

Deno.test("a debt may wait for its round and a block, and no longer", () => {
  assert.deepEqual(payersOf([debt(1, 100, 114)]), []);
  assert.deepEqual(payersOf([debt(1, 100, 115)]), [[1, 114]]);
});

Deno.test("what was due when its round began is waited for, what came later is not", () => {
  const before = [...Array(9).keys()].map((n) => debt(n + 2, 105, 118));
  assert.deepEqual(payersOf([debt(1, 100, 122), ...before]), []);
  const later = [...Array(9).keys()].map((n) => debt(n + 2, 111, 118));
  assert.deepEqual(payersOf([debt(1, 100, 122), ...later]), [[1, 114]]);
});

Deno.test("nothing waits until it ends", () => {
  assert.deepEqual(payersOf([{ ...debt(1, 100, 113), endsAt: 112 }]), [[1, 112]]);
});

Deno.test("what is never settled is overdue once its time has gone", () => {
  assert.deepEqual(payersOf([debt(1, 100, null)], 114), []);
  assert.deepEqual(payersOf([debt(1, 100, null)], 115), [[1, 114]]);
});

import assert from "node:assert/strict";
import { canWait, costMaxOf, DUST_SECONDS, isWorth } from "./worth.ts";

/** 1,000 units of gas cost one base unit. */
const TERMS = { gasPrice: 1_000_000_000n, coinPrice: 1_000_000n };
const FREE = { gasPrice: 1_000_000_000n, coinPrice: 0n };

function turn(since: number, end: number) {
  const due = {
    payer: "0xaa",
    lane: "0x01",
    since: since * 1_000,
    deadline: 0n,
    epoch: 0,
    settled: 0n,
  } as const;
  return { due: { ...due, amount: 1n }, at: 0, end };
}

Deno.test("what can wait is worth ten times its gas, what must go as much as its gas", () => {
  assert.ok(isWorth([{ amount: 400n, canWait: true }], 40_000n, TERMS));
  assert.ok(!isWorth([{ amount: 399n, canWait: true }], 40_000n, TERMS));
  assert.ok(isWorth([{ amount: 40n, canWait: false }], 40_000n, TERMS));
  assert.ok(!isWorth([{ amount: 39n, canWait: false }], 40_000n, TERMS));
});

Deno.test("debts bear their gas together, each as far as it may", () => {
  const patient = { amount: 100n, canWait: true };
  const urgent = { amount: 30n, canWait: false };
  assert.ok(isWorth([patient, urgent], 40_000n, TERMS));
  assert.ok(!isWorth([patient, urgent], 40_001n, TERMS));
  assert.ok(!isWorth([], 1n, TERMS));
});

Deno.test("where gas costs nothing every debt is worth it, and no cost is too high", () => {
  assert.ok(isWorth([{ amount: 0n, canWait: true }], 40_000n, FREE));
  assert.equal(costMaxOf([{ amount: 5n, canWait: true }], FREE), null);
});

Deno.test("a batch costs what must go brings, and half of what could wait", () => {
  const debts = [{ amount: 7n, canWait: false }, { amount: 11n, canWait: true }];
  assert.equal(costMaxOf(debts, TERMS), 12n * 10n ** 12n);
});

Deno.test("a debt can wait until its end is near, or it has waited long", () => {
  const since = 1_700_000_000;
  const far = since + DUST_SECONDS * 10;
  assert.ok(canWait(turn(since, far), since + DUST_SECONDS - 1, 120));
  assert.ok(!canWait(turn(since, far), since + DUST_SECONDS, 120));
  assert.ok(canWait(turn(0, 500), 379, 120));
  assert.ok(!canWait(turn(0, 500), 380, 120));
});

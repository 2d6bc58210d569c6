import assert from "node:assert/strict";
import { type Address, getAddress, pad } from "viem";
import { EXACT_REVERTED_WAIT_MAX_MS, EXACT_REVERTED_WAIT_MS } from "../../../limits_of_exact.ts";
import { Reverts } from "./reverts.ts";

const at = (hex: Address) => getAddress(pad(hex, { size: 20 }));
const [ANNA, BERT] = [at("0xa1"), at("0xb1")];

Deno.test("whose payment was reverted waits, longer each time", () => {
  let nowMs = 0;
  const reverts = new Reverts(() => nowMs);
  const isServed = (payer: Address) => {
    try {
      reverts.admit(payer);
      return true;
    } catch {
      return false;
    }
  };
  assert.ok(isServed(ANNA));
  const waits: number[] = [];
  for (let times = 0; times < 12; times++) {
    reverts.note(ANNA);
    const from = nowMs;
    assert.ok(!isServed(ANNA));
    assert.ok(isServed(BERT));
    while (!isServed(ANNA)) nowMs += EXACT_REVERTED_WAIT_MS / 2;
    waits.push(nowMs - from);
  }
  assert.deepEqual(waits.slice(0, 3), [1, 2, 4].map((n) => n * EXACT_REVERTED_WAIT_MS));
  assert.equal(waits.at(-1), EXACT_REVERTED_WAIT_MAX_MS);
});

Deno.test("it is told for how long", () => {
  let nowMs = 0;
  const reverts = new Reverts(() => nowMs);
  reverts.note(ANNA);
  assert.throws(() => reverts.admit(ANNA), {
    code: "payment_required",
    data: { x402Reason: "invalid_exact_evm_transaction_failed" },
    hints: ["try again in 10 min, or pay by credits", "nothing was charged"],
  });
  nowMs = EXACT_REVERTED_WAIT_MS - 120_001;
  assert.throws(() => reverts.admit(ANNA), {
    hints: ["try again in 3 min, or pay by credits", "nothing was charged"],
  });
});

import assert from "node:assert/strict";
import { newFlight } from "./flight.ts";
import { type AccountFacts, waitsFor } from "./waiting.ts";

const GWEI = 10n ** 9n;
const FEES = { maxFeePerGas: 20n * GWEI, maxPriorityFeePerGas: GWEI };
const TO = "0x00000000000000000000000000000000000000aa";

function said(nonce: number, changes: Partial<AccountFacts> = {}, nonces = [5, 6]): string {
  const standing = { rank: "settlement", costMax: null } as const;
  const flight = newFlight(nonce, { to: TO, data: "0x", gas: 100_000n }, standing, FEES, 0);
  const form = { raw: "0x01", hash: "0x02", gas: 100_000n, isFiller: false } as const;
  flight.forms.push({ ...form, ...FEES });
  const price = { head: 1n, baseFee: 10n * GWEI, tip: GWEI };
  return waitsFor(flight, nonces, {
    latest: 5,
    pending: 7,
    balance: 10n ** 18n,
    price,
    ...changes,
  });
}

Deno.test("each says what it waits for, the first cause first", () => {
  assert.match(said(5), /^a block/);
  assert.match(said(6), /^nonce 5 before it/);
  assert.match(said(5, { latest: 6 }), /nonce is used/);
  assert.match(said(6, {}, [6]), /^nonce 5, which is free/);
  assert.match(said(5, { balance: 10n ** 15n }), /^gas coin: it needs 0.002, there is 0.001/);
  const dear = { head: 1n, baseFee: 30n * GWEI, tip: GWEI };
  assert.match(said(5, { price: dear }), /gas costs 31 gwei, it pays 20/);
  assert.match(said(5, { pending: 5 }), /^a node that has it/);
});

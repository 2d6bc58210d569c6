/** Which of a payer's effects are those of a message, and which are another's. */
import assert from "node:assert/strict";
import type { Address } from "viem";
import { UINT128_MAX } from "../permit.ts";
import { type Effect, isEffectOf } from "./message_fate.ts";
import type { MessageMatter, PayerMessage } from "./payer_message.ts";

const [PAYER, PAOLO, OTHER] = ["aa", "bb", "cc"].map((byte) => `0x${byte.repeat(20)}`) as [
  Address,
  Address,
  Address,
];
const TERMS = { payer: PAYER, feeMax: 10n, nonce: 0n, deadline: 1n };

const revoke = (credits: bigint): PayerMessage => ({
  type: "Revoke",
  provider: PAOLO,
  credits,
  ...TERMS,
});
const effect = (eventName: Effect["eventName"], args: Record<string, unknown>) =>
  ({ eventName, args: { payer: PAYER, ...args } }) as unknown as Effect;
const thaws = (thawingCredits: bigint, provider = PAOLO) =>
  effect("RevokeStarted", { provider, thawingCredits, thawEnd: 9n });

Deno.test("credits are taken back as many as it says, or all that are left", () => {
  assert.ok(isEffectOf(revoke(5n), thaws(5n), 100n));
  assert.ok(isEffectOf(revoke(UINT128_MAX), thaws(100n), 100n));
  assert.ok(isEffectOf(revoke(UINT128_MAX), thaws(100n), 90n), "some were charged since");
  assert.ok(!isEffectOf(revoke(UINT128_MAX), thaws(5n), 100n), "an earlier message for five");
  assert.ok(!isEffectOf(revoke(5n), thaws(4n), 100n));
  assert.ok(!isEffectOf(revoke(5n), thaws(6n), 6n));
  assert.ok(!isEffectOf(revoke(5n), thaws(5n, OTHER), 5n));
});

Deno.test("every other effect is its message's with its own words only", () => {
  const done: [MessageMatter, Effect][] = [
    [{ type: "BumpEpoch", provider: PAOLO }, effect("EpochBumped", { provider: PAOLO })],
    [{ type: "Reclaim", provider: PAOLO }, effect("Reclaimed", { provider: PAOLO })],
    [{ type: "Withdraw", amount: 7n, to: PAOLO }, effect("Withdrawn", { amount: 7n, to: PAOLO })],
  ];
  const others = [
    thaws(1n),
    effect("EpochBumped", { provider: OTHER }),
    effect("Reclaimed", { provider: OTHER }),
    effect("Withdrawn", { amount: 7n, to: OTHER }),
    effect("Withdrawn", { amount: 8n, to: PAOLO }),
  ];
  for (const [matter, own] of done) {
    const message = { ...matter, ...TERMS };
    assert.ok(isEffectOf(message, own, 0n), matter.type);
    const foreign = [...done.map(([, effect]) => effect).filter((one) => one !== own), ...others];
    for (const one of foreign) assert.ok(!isEffectOf(message, one, 0n), matter.type);
    assert.ok(!isEffectOf(revoke(1n), own, 1n));
  }
});

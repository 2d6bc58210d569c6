import assert from "node:assert/strict";
import { NEVER } from "./escrow_provider.ts";
import { operatorLimitsText } from "./operator_text.ts";

Deno.test("an operator's limits are told with what is spent of them, and none as unlimited", () => {
  const bounded = { expiry: 1_700_000_000n, dailyCap: 50_000n, spent: 2_000n };
  assert.equal(
    operatorLimitsText(bounded),
    "until 2023-11-14T22:13:20Z, 0.002 of 0.05 USDC settled today",
  );
  const none = "expires never, unlimited a day";
  assert.equal(operatorLimitsText({ expiry: NEVER, dailyCap: 0n, spent: 0n }), none);
  assert.equal(operatorLimitsText({ expiry: NEVER, dailyCap: (1n << 88n) - 1n, spent: 7n }), none);
});

import assert from "node:assert/strict";
import { getAddress } from "viem";
import { decodePaymentResponse } from "../../payment_header.ts";
import { chargeFields } from "./charge_fields.ts";

Deno.test("a paid answer says what was charged, in fields that pages of other origins may read", () => {
  const notice = {
    chainId: 31_337,
    payer: getAddress(`0x${"11".repeat(20)}`),
    chargedCredits: 2n,
    cumulativeCredits: 7n,
    availableCredits: 40n,
  };
  const [response, ...others] = chargeFields("/receipts/a", notice);
  assert.deepEqual(decodePaymentResponse(response![1]), notice);
  assert.deepEqual([response!, ...others].map(([name]) => name), [
    "PAYMENT-RESPONSE",
    "Khachapuri-Receipt",
    "Khachapuri-Credits-Left",
    "access-control-expose-headers",
  ]);
  assert.deepEqual(others.map(([, value]) => value), [
    "/receipts/a",
    "40",
    "PAYMENT-RESPONSE, Khachapuri-Receipt, Khachapuri-Credits-Left",
  ]);
});

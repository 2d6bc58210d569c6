import assert from "node:assert/strict";
import { BaseError, encodeFunctionData } from "viem";
import { escrowAbi } from "../../chain/abi.ts";
import { ESCROW_MESSAGES } from "../../chain/escrow_call.ts";
import { GasTooDear } from "../../chain/outbox/fees.ts";
import { KhachapuriError } from "../../errors.ts";
import { bytesOf, namedCall, refusal, wordless } from "./operator_call.ts";

const TO = "0x00000000000000000000000000000000000000aa";
const CALL = { address: TO, abi: escrowAbi, functionName: "collect", args: [TO] } as const;

Deno.test("a call is its function's bytes, and bytes are what they are", () => {
  const data = encodeFunctionData({ abi: CALL.abi, functionName: "collect", args: CALL.args });
  assert.deepEqual(bytesOf(CALL), { to: TO, data });
  assert.deepEqual(bytesOf({ to: TO, data: "0x12" }), { to: TO, data: "0x12" });
});

Deno.test("bytes that the escrow knows are its call, in whose words it refuses; others stay", () => {
  const known = namedCall(bytesOf(CALL));
  assert.ok("functionName" in known && known.functionName === "collect");
  assert.equal(known.messages, ESCROW_MESSAGES);
  assert.deepEqual(bytesOf(known), bytesOf(CALL));
  assert.deepEqual(namedCall({ to: TO, data: "0x12" }), { to: TO, data: "0x12" });
  // Longer than what it says: as a call it would be other bytes.
  const padded = { to: TO, data: `${bytesOf(CALL).data}00` } as const;
  assert.deepEqual(namedCall(padded), padded);
});

Deno.test("a call without its words is the same call", () => {
  const call = { ...CALL, messages: ESCROW_MESSAGES };
  assert.ok(!("messages" in wordless(call)));
  assert.deepEqual(bytesOf(wordless(call)), bytesOf(CALL));
  assert.deepEqual(wordless({ to: TO, data: "0x12" }), { to: TO, data: "0x12" });
});

Deno.test("whatever keeps it from being sent is our trouble, in our words", () => {
  for (const call of [CALL, { to: TO, data: "0x12" }] as const) {
    for (const cause of [new Error("disk full"), new BaseError("no answer")]) {
      const { code, retryAfterSeconds } = refusal(cause, call, TO, "fake");
      assert.deepEqual([code, retryAfterSeconds], ["chain_unavailable", 5]);
    }
  }
});

Deno.test("what is told in our words already stays as it is", () => {
  const cause = new KhachapuriError("database_unavailable", "PostgreSQL does not answer");
  assert.equal(refusal(cause, CALL, TO, "fake"), cause);
});

Deno.test("gas that is too dear is told with its price, and what may be paid", () => {
  const { code, message, data } = refusal(
    new GasTooDear(3n * 10n ** 9n, 10n ** 9n),
    CALL,
    TO,
    "fake",
  );
  assert.equal(code, "chain_unavailable");
  assert.equal(message, "gas costs 3 gwei, and this may pay 1");
  assert.deepEqual(data, { reason: "GasTooDear", gasPrice: "3000000000", cap: "1000000000" });
});

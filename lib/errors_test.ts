import assert from "node:assert/strict";
import { KhachapuriError, knownCode } from "./errors.ts";

Deno.test("a failure that is told with more keeps all that is not named", () => {
  const lane = { id: "0x07" as const, cumulative: 3n };
  const failure = new KhachapuriError("payment_required", "not paid", {
    hints: ["pay"],
    retryAfterSeconds: 3,
    allow: "GET",
    lane,
    creditsMax: 4,
    data: { payer: "0x1" },
  });
  const told = failure.toldWith({ message: "not paid: why", hints: ["first", ...failure.hints] });
  assert.equal(told.code, "payment_required");
  assert.equal(told.cause, failure);
  assert.deepEqual(
    { ...told, stack: null },
    { ...failure, stack: null, shortMessage: "not paid: why", hints: ["first", "pay"] },
  );
  assert.equal(told.message, "not paid: why");
  assert.equal(told.toldWith({ creditsMax: undefined }).creditsMax, undefined);
});

Deno.test("a code from elsewhere is one of ours, or none", () => {
  assert.equal(knownCode("payment_required"), "payment_required");
  for (const text of ["toString", "", "nothing", 402, null, undefined]) {
    assert.equal(knownCode(text), null);
  }
});

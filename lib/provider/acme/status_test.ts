import assert from "node:assert/strict";
import { freshStatus, type Status, statusFor } from "./status.ts";

const failed = (problem: string): Status => ({
  ...freshStatus("a"),
  failures: 3,
  restUntil: 99,
  isRehearsed: true,
  lastFailure: { at: 1, message: "no", hints: [], problem },
});

Deno.test("what failed counts for the same wish, and for another only a limit of the CA", () => {
  assert.deepEqual(statusFor("a", null), freshStatus("a"));
  assert.deepEqual(statusFor("a", failed("dns")), failed("dns"));
  assert.deepEqual(statusFor("b", failed("dns")), freshStatus("b"));
  const limited = statusFor("b", failed("rateLimited"));
  assert.deepEqual([limited.restUntil, limited.isRehearsed, limited.wish], [99, false, "b"]);
});

import assert from "node:assert/strict";
import { tooFast } from "./owners_rate.ts";

Deno.test("who is too fast for an owner is told how much it pays for, and when there is more", () => {
  const { code, message, retryAfterSeconds, hints } = tooFast(30, 1.2);
  assert.deepEqual([code, retryAfterSeconds], ["rate_limited", 2]);
  assert.match(message, /30 credits a minute/);
  assert.match(hints.join(), /a permit of your own/);
});

import assert from "node:assert/strict";
import { longRunFaults } from "./long_run.ts";

const RUN = { credits: 40, timeoutMs: 15_000, ownerCreditsPerMinute: 600 };

Deno.test("an owner is told when one run can use up all that it allowed", () => {
  assert.deepEqual(longRunFaults(RUN, 40n), []);
  assert.deepEqual(longRunFaults(RUN, 39n), [
    "one run takes up to 40 credits, and you have allowed 39",
  ]);
});

Deno.test("an owner is told when one run alone comes to what callers may cost in a minute", () => {
  const rate = (ownerCreditsPerMinute: number, run = RUN) =>
    longRunFaults({ ...run, ownerCreditsPerMinute }, 1_000n);
  assert.deepEqual(rate(4), []);
  assert.deepEqual(rate(3), [
    "one run takes up to 4 credits a minute, and callers may cost you 3 " +
    "(--owner-credits-per-minute)",
  ]);
  // It is over before the minute is.
  assert.deepEqual(rate(2, { ...RUN, credits: 2 }), []);
});

Deno.test("of a run that takes one credit nothing is said", () => {
  assert.deepEqual(longRunFaults({ ...RUN, credits: 1, ownerCreditsPerMinute: 1 }, 0n), []);
});

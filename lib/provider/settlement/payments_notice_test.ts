/** A payer that gives notice is settled with at once. */
import assert from "node:assert/strict";
import { openHistory } from "../../../worlds/chain/payment_history.ts";
import { LANES, PAYERS, type Step } from "../../../worlds/chain/payment_steps.ts";

const NOTICES: Readonly<Record<string, Step>> = {
  "credits": { do: "revoke", payer: 0, credits: 1 },
  "permits": { do: "take permits back", payer: 0 },
};

for (const [what, notice] of Object.entries(NOTICES)) {
  Deno.test(`who takes ${what} back pays what it owes before the next round`, async () => {
    await using history = await openHistory("batch");
    const { fake } = history;
    const taken = () => fake.consumed(PAYERS[0]!.address, LANES[0]!);
    await history.take({ do: "call", payer: 0, lane: 0, permit: 2, age: 0 });
    await history.take({ do: "charge", nth: 0 });
    await history.take({ do: "hear" });
    assert.equal(taken(), 0n, "the next round is a day away");
    await history.take(notice);
    await history.take({ do: "hear" });
    // Bounded by the test runner.
    while (taken() === 0n) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.equal(taken(), 1n);
    await history.finish();
  });
}

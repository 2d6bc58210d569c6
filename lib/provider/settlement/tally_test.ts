import assert from "node:assert/strict";
import { SettlementTally } from "./tally.ts";

Deno.test("batches are counted by how they ended, and gas by what was paid for it", () => {
  let now = 5_000;
  const tally = new SettlementTally(() => now);
  assert.deepEqual(tally.figures(), { mined: 0, failed: 0, lastMinedAt: 0, gasSpent: 0n });
  tally.landed(true);
  now = 9_000;
  tally.landed(false);
  tally.paid({ gasUsed: 100n, effectiveGasPrice: 7n });
  tally.paid({ gasUsed: 1n, effectiveGasPrice: 1n });
  assert.deepEqual(tally.figures(), { mined: 1, failed: 1, lastMinedAt: 5_000, gasSpent: 701n });
});

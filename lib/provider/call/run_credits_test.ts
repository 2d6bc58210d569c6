import assert from "node:assert/strict";
import { openCallWorld } from "../../../worlds/calls.ts";
import { KhachapuriError } from "../../errors.ts";
import { withCreditsMax } from "./run_credits.ts";

const LIMITS = { timeoutMs: 1, memoryMb: 1, concurrency: 1, ownerCreditsPerMinute: 1 };

Deno.test("of what is not paid for all is kept, and what is no matter of payment is let be", () => {
  const lane = { id: "0x01", cumulative: 7n } as const;
  const refusal = new KhachapuriError("payment_required", "no", {
    hints: ["pay"],
    data: { transaction: "0x02" },
    lane,
  });
  const told = withCreditsMax(refusal, 4) as KhachapuriError;
  assert.deepEqual(told.toJSON(), { ...refusal.toJSON(), creditsMax: 4 });
  assert.equal(told.lane, lane);
  for (const other of [new KhachapuriError("stopped", "it is"), new TypeError("unforeseen")]) {
    assert.equal(withCreditsMax(other, 4), other);
  }
});

Deno.test("a 402 of a call says how many credits the run may take, whoever does not pay", async () => {
  const limits = { ...LIMITS, timeoutMs: 1_000, memoryMb: 64, credits: 6 };
  for (const stage of ["read", "admit", "hold"] as const) {
    using world = await openCallWorld({ spec: { limits }, creditsMax: 4 });
    world.before[stage] = () => {
      throw new KhachapuriError("payment_required", "nobody pays");
    };
    await assert.rejects(world.call(), { code: "payment_required", creditsMax: 4 });
    await world.assertNothingTaken();
  }
});

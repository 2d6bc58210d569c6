import assert from "node:assert/strict";
import { KhachapuriError } from "../../errors.ts";
import { BackOff } from "./back_off.ts";

const why = new KhachapuriError("program_failed", "it broke", { hints: ["mend it"] });

function pauses(): { backOff: BackOff; pass(ms: number): void } {
  let now = 0;
  return { backOff: new BackOff(() => now), pass: (ms) => void (now += ms) };
}

Deno.test("pauses double from one second to a minute", () => {
  const { backOff, pass } = pauses();
  const seconds: number[] = [];
  for (let failure = 0; failure < 9; failure++) {
    backOff.fail(why);
    const refusal = backOff.refusal()!;
    seconds.push(refusal.retryAfterSeconds!);
    assert.deepEqual([refusal.message, refusal.hints], ["it broke", ["mend it"]]);
    pass(refusal.retryAfterSeconds! * 1_000 - 1);
    assert(backOff.refusal());
    pass(1);
    assert.equal(backOff.refusal(), null);
  }
  assert.deepEqual(seconds, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
});

Deno.test("what our side fails at pauses for a second, however often", () => {
  const { backOff, pass } = pauses();
  const ours = new KhachapuriError("sandbox_unavailable", "no more processes");
  for (let failure = 0; failure < 5; failure++) {
    assert.equal(backOff.fail(ours).retryAfterSeconds, 1);
    pass(1_000);
    assert.equal(backOff.refusal(), null);
  }
  assert.equal(backOff.fail(why).retryAfterSeconds, 1, "it counts for nothing");
});

Deno.test("what failed long ago counts no more", () => {
  const { backOff, pass } = pauses();
  assert(backOff.isForgotten());
  backOff.fail(why);
  backOff.fail(why);
  pass(2_000 + 59_999);
  assert(!backOff.isForgotten());
  pass(1);
  assert(backOff.isForgotten());
  backOff.fail(why);
  assert.equal(backOff.refusal()!.retryAfterSeconds, 1);
});

import assert from "node:assert/strict";
import { RunPace } from "./run_pace.ts";

Deno.test("a run's length is what runs took of late, or what those that go on have taken", () => {
  const pace = new RunPace();
  assert.equal(pace.runMs(0), 0);
  pace.began(0);
  assert.equal(pace.runMs(500), 750);
  pace.ended(0, 1_000);
  assert.equal(pace.runMs(1_000), 1_000);
  pace.began(1_000);
  pace.ended(1_000, 1_200);
  assert.equal(pace.runMs(1_200), 900);
  pace.began(2_000);
  assert.equal(pace.runMs(5_000), 4_500);
});

Deno.test("what is left of those that run counts, and then each of those before", () => {
  const pace = new RunPace();
  pace.began(0);
  pace.ended(0, 10_000);
  pace.began(10_000);
  assert.equal(pace.untilEnded(1, 1, 13_000), 7_000);
  assert.equal(pace.untilEnded(3, 1, 13_000), 27_000);
  assert.equal(pace.untilEnded(3, 2, 13_000), 13_500);
});

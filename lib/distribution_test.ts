import assert from "node:assert/strict";
import { Distribution } from "./distribution.ts";

Deno.test("each bound counts what is no larger than it, and what is larger than all still counts", () => {
  const seconds = new Distribution([0.1, 1, 10]);
  for (const value of [0, 0.1, 0.10001, 1, 5, 100]) seconds.note(value);
  assert.deepEqual(seconds.cumulative(), [2, 4, 5]);
  assert.equal(seconds.count, 6);
  assert.equal(seconds.sum, 106.20001);
});

Deno.test("nothing is distributed before anything was noted", () => {
  const { count, sum, ...rest } = new Distribution([1]);
  assert.deepEqual([count, sum], [0, 0]);
  assert.deepEqual(rest.bounds, [1]);
});

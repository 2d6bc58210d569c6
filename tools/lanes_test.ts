import assert from "node:assert/strict";
import { deal, mix, runInLanes } from "./lanes.ts";

Deno.test("as many errands run at once as there are lanes, and one errand's jobs in order", async () => {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const all = runInLanes(2, [["a1", "a2"], ["b"], ["c"]], (job) => {
    begun.push(job);
    return new Promise((resolve) => ends.set(job, resolve));
  });
  const end = async (job: string) => {
    ends.get(job)!();
    await new Promise((resolve) => setTimeout(resolve, 0));
  };
  assert.deepEqual(begun, ["a1", "b"]);
  await end("b");
  assert.deepEqual(begun, ["a1", "b", "c"]);
  await end("a1");
  assert.deepEqual(begun, ["a1", "b", "c", "a2"]);
  await end("c");
  await end("a2");
  await all;
});

Deno.test("a failure of the work itself ends it", async () => {
  const failing = () => Promise.reject(new Error("no such command"));
  await assert.rejects(runInLanes(2, [["a"]], failing), /no such command/);
});

Deno.test("everything is dealt out once, and no hand is empty", () => {
  assert.deepEqual(deal([1, 2, 3, 4, 5], 2), [[1, 3, 5], [2, 4]]);
  assert.deepEqual(deal([1], 3), [[1]]);
});

Deno.test("few are spread evenly among many", () => {
  assert.deepEqual(mix([1, 2, 3, 4, 5, 6], [10, 20]), [1, 2, 10, 3, 4, 5, 20, 6]);
  assert.deepEqual(mix([], [1]), [1]);
  assert.deepEqual(mix([1], []), [1]);
});

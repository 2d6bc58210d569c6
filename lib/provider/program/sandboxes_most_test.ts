import assert from "node:assert/strict";
import { SANDBOXES_OPEN_LEAST, SANDBOXES_OPEN_MAX } from "../../limits_of_sandboxes.ts";
import { sandboxesMost } from "./sandboxes_most.ts";

const MB = 1024 * 1024;
const AMPLE = { availableBytes: NaN, memoryMaxBytes: NaN, descriptorsMax: NaN, processesMax: NaN };

Deno.test("sandboxesMost() is half of what memory holds, by machine or cgroup", () => {
  assert.equal(sandboxesMost(null, { ...AMPLE, availableBytes: 900 * MB }), 300);
  const within = { ...AMPLE, availableBytes: 9_000 * MB, memoryMaxBytes: 300 * MB };
  assert.equal(sandboxesMost(null, within), 100);
  assert.equal(sandboxesMost(null, { ...AMPLE, availableBytes: 1 * MB }), SANDBOXES_OPEN_LEAST);
  assert.equal(sandboxesMost(null, AMPLE), SANDBOXES_OPEN_MAX, "where nothing is known");
});

Deno.test("sandboxesMost() leaves half of the descriptors and processes to the rest", () => {
  const roomy = { ...AMPLE, availableBytes: 9_000 * MB };
  assert.equal(sandboxesMost(null, { ...roomy, descriptorsMax: 1_024 }), 128);
  assert.equal(sandboxesMost(null, { ...roomy, processesMax: 1_000 }), 100);
  assert.equal(sandboxesMost(null, { ...roomy, processesMax: 4 }), 1, "one at least");
});

Deno.test("sandboxesMost() takes the operator's word on memory, not on what is not to be had", () => {
  const small = { ...AMPLE, availableBytes: 300 * MB, descriptorsMax: 4_096 };
  assert.equal(sandboxesMost(7, small), 7);
  assert.equal(sandboxesMost(400, small), 400);
  assert.equal(sandboxesMost(1_000, small), 512);
});

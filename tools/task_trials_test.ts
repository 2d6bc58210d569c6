import assert from "node:assert/strict";
import manifest from "../deno.json" with { type: "json" };
import { type Course, faultOf, isSoFar, type Trial, TRIALS, UNTRIED } from "./task_trials.ts";

const course = (output: string, code: number | null = null, seconds = 1): Course => ({
  output,
  code,
  seconds,
});

Deno.test("every task of deno.json is tried", () => {
  const tried = [...new Set(TRIALS.map(({ task }) => task)), ...UNTRIED];
  assert.deepEqual(tried.sort(), Object.keys(manifest.tasks).sort());
  for (const { task, ends, prints, lastsSeconds } of TRIALS) {
    assert.ok(ends ?? prints ?? lastsSeconds, `nothing is asked of ${task}`);
  }
});

Deno.test("a task that stays is ended when it is so far, one that ends is waited for", () => {
  const stays: Trial = { task: "devnet", args: [], prints: /runs/ };
  assert.equal(isSoFar(stays, course("set")), false);
  assert.equal(isSoFar(stays, course("it runs")), true);
  assert.equal(isSoFar({ ...stays, ends: [0] }, course("it runs")), false);
  const silent: Trial = { task: "bench", args: [], lastsSeconds: 9 };
  assert.equal(isSoFar(silent, course("", null, 8)), false);
  assert.equal(isSoFar(silent, course("", null, 9)), true);
});

Deno.test("a stack trace, a wrong exit code and silence are faults", () => {
  const trial: Trial = { task: "docs", args: [], ends: [0], prints: /done/ };
  assert.equal(faultOf(trial, course("done", 0)), null);
  assert.match(faultOf(trial, course("done", 1))!, /ended with 1/);
  assert.match(faultOf(trial, course("", 0))!, /did not print/);
  assert.match(faultOf(trial, course("done"))!, /did not end/);
  const trace = "error: Module not found\n    at file:///x/y.ts:1:2\ndone";
  assert.match(faultOf(trial, course(trace, 0))!, /fell over/);
  assert.match(faultOf(trial, course("done\n    at a (file:///x/y.ts:1:2)", 0))!, /fell over/);
});

import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { countOf, isApart, longPlanOf, planOf, whyFailed } from "./stages.ts";
import { isTest, readSources } from "./tidy.ts";

const FILES = (await readSources(join(import.meta.dirname!, ".."))).map(({ path }) => path)
  .filter(isTest);
const plans = [planOf(FILES), longPlanOf(FILES)];
const jobs = plans.flatMap(({ beside, alone }) => [...beside, ...alone]).flat();
const stage = (name: string) => jobs.find((job) => job.stage === name)!;

Deno.test("every test is short or long and run once, but those that want other packages", () => {
  const run = jobs.flatMap(({ args }) => args.filter(isTest)).sort();
  assert.deepEqual(run, FILES.filter((path) => !isApart(path)));
  assert.deepEqual(new Set(FILES.filter(isApart).map(dirname)), new Set(["tests/peers"]));
});

Deno.test("countOf() reads the counts that deno test prints", () => {
  const output = "ok | 9 passed (3 steps) | 0 failed | 1 ignored (29ms)\n";
  assert.deepEqual(countOf(stage("unit"), output, true), { passed: 9, failed: 0 });
  const bad = "FAILED | 8 passed | 2 failed (1s)\n";
  assert.deepEqual(countOf(stage("unit"), bad, false), { passed: 8, failed: 2 });
});

Deno.test("countOf() reads the counts that forge test prints", () => {
  const output = "Ran 3 test suites in 1.20s (2.00s CPU time): 15 tests passed, 1 failed, " +
    "0 skipped (16 total tests)\n";
  assert.deepEqual(countOf(stage("contracts test"), output, false), { passed: 15, failed: 1 });
});

Deno.test("countOf() takes a job that died or ran nothing as one failure", () => {
  assert.deepEqual(countOf(stage("unit"), "error: cannot find module\n", false), {
    passed: 0,
    failed: 1,
  });
  assert.deepEqual(countOf(stage("unit"), "", true), { passed: 0, failed: 1 });
  assert.deepEqual(countOf(stage("unit"), "ok | 2 passed | 0 failed\n", false), {
    passed: 2,
    failed: 1,
  });
  assert.deepEqual(countOf(stage("unit"), "ok | 0 passed | 0 failed (1ms)\n", true).failed, 1);
  const ignored = "ok | 0 passed | 0 failed | 2 ignored (1ms)\n";
  assert.deepEqual(countOf(stage("unit"), ignored, true), { passed: 0, failed: 0 });
  assert.deepEqual(countOf(stage("fmt"), "", false), { passed: 0, failed: 1 });
  assert.deepEqual(countOf(stage("fmt"), "", true), { passed: 1, failed: 0 });
});

Deno.test("whyFailed() has the errors of a test run, and the end of anything else", () => {
  const output = "a ... FAILED\n\n ERRORS \n\na => a_test.ts:1:1\nerror: no\n\n FAILURES \n\na\n";
  assert.equal(whyFailed(output), "a => a_test.ts:1:1\nerror: no");
  assert.equal(whyFailed(`${"x".repeat(9_000)}\nthe end\n`).length, 4_000);
  assert.match(whyFailed(`${"x".repeat(9_000)}\nthe end\n`), /the end$/);
});

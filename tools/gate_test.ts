import assert from "node:assert/strict";
import { Gate } from "./gate.ts";
import type { Job } from "./stages.ts";

const SUMMARY = /^(?:ok|FAILED) \| (?<passed>\d+) passed \| (?<failed>\d+) failed/gm;
const job = (...files: string[]): Job => ({
  stage: "unit",
  args: ["test", ...files],
  summary: SUMMARY,
});
const FAILS = "ok\n\n ERRORS \n\na step => ./b_test.ts:1:2\nerror: late\n\n FAILURES \n\n" +
  "FAILED | 2 passed | 1 failed\n";

/** A gate whose jobs print, one after the other, what is listed; the last of it again and again. */
function gateOf(...outputs: string[]) {
  const asked: (readonly string[])[] = [];
  const run = ({ args }: Job) => {
    asked.push(args.slice(1));
    const output = outputs[Math.min(asked.length, outputs.length) - 1]!;
    return Promise.resolve({ output, isDone: !output.includes("FAILED") });
  };
  return { gate: new Gate(run, () => {}), asked };
}

Deno.test("a job that passes when it is run again, alone, has passed and is told apart", async () => {
  const { gate, asked } = gateOf(FAILS, "ok | 1 passed | 0 failed\n");
  await gate.work(job("a_test.ts", "b_test.ts"));
  await gate.judge();
  assert.deepEqual(asked, [["a_test.ts", "b_test.ts"], ["a_test.ts", "b_test.ts"]]);
  assert.deepEqual(gate.total, { passed: 3, failed: 0 });
  assert.match(gate.closing, /error: late\n== UNSTABLE: .*\n+3 passed, 0 failed$/);
});

Deno.test("what fails again has failed, once", async () => {
  const { gate } = gateOf(FAILS);
  await gate.work(job("a_test.ts", "b_test.ts"));
  await gate.judge();
  assert.deepEqual(gate.total, { passed: 2, failed: 1 });
  assert.match(gate.closing, /error: late\n+2 passed, 1 failed$/);
});

Deno.test("what the sources alone decide, and a fault that breaks much, is not run again", async () => {
  const gates = gateOf("FAILED\n");
  await gates.gate.work({ stage: "fmt", args: ["fmt", "--check"], summary: null });
  await gates.gate.judge();
  assert.deepEqual([gates.asked.length, gates.gate.total.failed], [1, 1]);
  const { gate, asked } = gateOf(FAILS);
  for (let nth = 0; nth < 6; nth++) await gate.work(job("b_test.ts"));
  await gate.judge();
  assert.deepEqual([asked.length, gate.total.failed], [6, 6]);
});

/** `deno task test:bwrap`: bubblewrap keeps its own promises here, as ours rest on them. */
import assert from "node:assert/strict";
import { countOf, runUpstreamSuite } from "./upstream.ts";

Deno.test("bubblewrap's own test-suite passes, as an ordinary user", async () => {
  const suite = await runUpstreamSuite();
  // deno-lint-ignore no-console
  const print = (line: string) => console.log(`    ${line}`);
  if ("unavailable" in suite) return print(`NOT RUN: ${suite.unavailable}`);
  print(`bubblewrap ${suite.version}`);
  for (const { script, ok, skipped, failed } of suite.results) {
    print(`${script.padEnd(26)} ${ok} ok, ${skipped} skipped, ${failed} not ok`);
  }
  for (const { script, failed, output } of suite.results) {
    assert.equal(failed, 0, `${script}:\n${output}`);
  }
  assert(suite.results[0]!.ok > 40, "the suite ran");
});

Deno.test("a script that stops half-way counts as failed", () => {
  const half = "1..3\nok - a\nok # SKIP no FUSE\n";
  assert.deepEqual(countOf(half, true), { ok: 1, skipped: 1, failed: 1 });
  assert.deepEqual(countOf(`${half}ok b\n`, true), { ok: 2, skipped: 1, failed: 0 });
  assert.deepEqual(countOf(`${half}ok b\n`, false).failed, 1);
  assert.deepEqual(countOf(`${half}not ok b\n`, false).failed, 1);
  assert.deepEqual(countOf("1..0 # SKIP no module\n", true), { ok: 0, skipped: 1, failed: 0 });
  assert.deepEqual(countOf("Ran 6 tests in 0.1s\n\nOK\n", true).ok, 6);
  assert.deepEqual(countOf("", true).failed, 1);
});

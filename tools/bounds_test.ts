import assert from "node:assert/strict";
import { join } from "node:path";
import { readSources } from "./tidy.ts";
import { boundComplaints, limitComplaints } from "./bounds.ts";

const sources = await readSources(join(import.meta.dirname!, ".."));

Deno.test("what a stranger can make us reach stands in lib/limits.ts", () => {
  assert.deepEqual(boundComplaints(sources), []);
});

Deno.test("every bound of lib/limits.ts has a reason and a use", () => {
  assert.deepEqual(limitComplaints(sources), []);
});

Deno.test("boundComplaints() tells bounds from what tunes our own work", () => {
  const lines = [
    "const READS_MAX = 64;",
    "  const LOOKUP_TIMEOUT_MS: number = 1_000;",
    "export const BODY_BYTES_MAX = 64 * 1024;",
    "const POLL_MS = 20;",
    "const UINT64_MAX = (1n << 64n) - 1n;",
    "const POOL_MAX = DEPLOYMENT_CONCURRENCY_MAX;",
    "const ROWS_PER_BATCH = 50;",
  ];
  const file = (path: string) => ({ path, text: lines.join("\n") });
  assert.deepEqual(boundComplaints([file("lib/chain/a.ts")], {}), [
    "lib/chain/a.ts:1: READS_MAX belongs in lib/limits.ts",
    "lib/chain/a.ts:2: LOOKUP_TIMEOUT_MS belongs in lib/limits.ts",
    "lib/chain/a.ts:3: BODY_BYTES_MAX belongs in lib/limits.ts",
  ]);
  const unbound = ["lib/limits.ts", "lib/chain/a_test.ts", "tools/a.ts"].map(file);
  assert.deepEqual(boundComplaints(unbound, {}), []);
  assert.deepEqual(boundComplaints([file("sandbox/a.ts")], { "sandbox/a.ts": "why" }), []);
  const idle = ["sandbox/a.ts: needs no exception"];
  assert.deepEqual(boundComplaints([], { "sandbox/a.ts": "why" }), idle);
});

Deno.test("limitComplaints() catches what is used nowhere and what gives no reason", () => {
  const text = "/** Why. */\nexport const A_MAX = 1;\nexport const B_MAX = 2;\n";
  const user = { path: "lib/a.ts", text: "use(B_MAX);" };
  assert.deepEqual(limitComplaints([{ path: "lib/limits.ts", text }, user]), [
    "lib/limits.ts:2: A_MAX is used nowhere",
    "lib/limits.ts:3: B_MAX gives no reason",
  ]);
});

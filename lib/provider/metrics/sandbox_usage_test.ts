import assert from "node:assert/strict";
import { metricsText } from "./metrics.ts";
import { SandboxUsage } from "./sandbox_usage.ts";

Deno.test("starts of sandboxes are counted by how they went, and those that went well timed", async () => {
  const usage = new SandboxUsage();
  assert.equal(await usage.timed(() => Promise.resolve(7)), 7);
  await assert.rejects(usage.timed(() => Promise.reject(new Error("no bwrap"))), /no bwrap/);
  const text = await metricsText(usage.metrics);
  assert.match(text, /^khachapuri_sandbox_starts_total\{outcome="ready"\} 1$/m);
  assert.match(text, /^khachapuri_sandbox_starts_total\{outcome="failed"\} 1$/m);
  assert.match(text, /^khachapuri_sandbox_start_seconds_count 1$/m);
});

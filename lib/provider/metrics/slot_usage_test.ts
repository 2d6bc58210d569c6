import assert from "node:assert/strict";
import { metricsText } from "./metrics.ts";
import { SlotUsage } from "./slot_usage.ts";

Deno.test("waits for slots and refusals are counted by what came of them", async () => {
  const usage = new SlotUsage();
  usage.waited(0.02);
  usage.waited(4);
  usage.refused("full");
  usage.refused("full");
  usage.refused("limit");
  usage.left();
  const text = await metricsText(usage.metrics);
  assert.match(text, /khachapuri_slot_refusals_total\{reason="full"\} 2\n/);
  assert.match(text, /khachapuri_slot_refusals_total\{reason="limit"\} 1\n/);
  assert.match(text, /khachapuri_slot_waits_left_total 1\n/);
  assert.match(text, /khachapuri_slot_wait_seconds_bucket\{le="0.025"\} 1\n/);
  assert.match(text, /khachapuri_slot_wait_seconds_count 2\n/);
});

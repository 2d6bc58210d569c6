import assert from "node:assert/strict";
import { ContentUsage } from "./content_usage.ts";
import { metricsText } from "./metrics.ts";

Deno.test("reads are told by where content was, gateways by how they answered", async () => {
  const usage = new ContentUsage();
  usage.read("cache");
  usage.read("cache");
  usage.asked("ipfs.example", "failed");
  const text = await metricsText(usage.metrics);
  assert.match(text, /^khachapuri_content_reads_total\{source="cache"\} 2$/m);
  const asked = 'khachapuri_gateway_requests_total{gateway="ipfs.example",outcome="failed"} 1';
  assert.ok(text.includes(asked));
});

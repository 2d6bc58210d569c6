import assert from "node:assert/strict";
import { metricsText } from "./metrics.ts";
import { RequestUsage } from "./request_usage.ts";

Deno.test("requests are told by status, by code and by what they waited", async () => {
  const usage = new RequestUsage();
  usage.answered(200, "call", null, 30);
  usage.answered(402, "call", "payment_required", 4);
  usage.answered(200, "own", null, 4);
  usage.own("/ipfs", true);
  usage.own("/ipfs", false);
  const text = await metricsText(usage.metrics);
  for (
    const line of [
      'khachapuri_responses_total{status="200"} 2',
      'khachapuri_responses_total{status="402"} 1',
      'khachapuri_refusals_total{code="payment_required"} 1',
      'khachapuri_own_requests_total{path="/ipfs",outcome="done"} 1',
      'khachapuri_own_requests_total{path="/ipfs",outcome="refused"} 1',
      'khachapuri_request_seconds_bucket{class="call",le="0.025"} 0',
      'khachapuri_request_seconds_bucket{class="call",le="0.05"} 1',
      'khachapuri_request_seconds_count{class="refused"} 1',
      'khachapuri_request_seconds_sum{class="own"} 0.004',
    ]
  ) assert.ok(text.includes(`\n${line}\n`), line);
});

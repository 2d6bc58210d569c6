import assert from "node:assert/strict";
import { RpcUsage } from "./rpc_usage.ts";

Deno.test("requests are told by method and outcome, and their times together", () => {
  const usage = new RpcUsage();
  usage.note("eth_call", "answered", 20);
  usage.note("eth_call", "failed", 3_000);
  usage.note("batch", "answered", 5);
  assert.deepEqual(usage.requests().filter(({ count }) => count > 0), [
    { method: "eth_call", outcome: "answered", count: 1 },
    { method: "eth_call", outcome: "failed", count: 1 },
    { method: "batch", outcome: "answered", count: 1 },
  ]);
  assert.equal(usage.seconds.count, 3);
  assert.equal(usage.seconds.sum, 3.025);
});

Deno.test("methods are bounded, whatever is asked", () => {
  const usage = new RpcUsage();
  for (let at = 0; at < 200; at++) {
    usage.note(`eth_${"a".repeat(1 + at % 40)}${at > 99 ? "B" : ""}`, "answered", 1);
  }
  usage.note("web3_clientVersion", "answered", 1);
  const methods = new Set(usage.requests().map(({ method }) => method));
  assert.ok(methods.size <= 41, String(methods.size));
  assert.ok(methods.has("other"));
});

import assert from "node:assert/strict";
import type { EgressEvent } from "../../../sandbox/egress.ts";
import { EgressUsage } from "./egress_usage.ts";
import { metricsText } from "./metrics.ts";

async function linesAfter(...events: EgressEvent[]): Promise<string[]> {
  const usage = new EgressUsage();
  for (const event of events) usage.note(event);
  const lines = (await metricsText(usage.metrics)).trimEnd().split("\n");
  return lines.filter((line) => !line.startsWith("#"))
    .map((line) => line.replace("khachapuri_egress_", ""));
}

Deno.test("before a program calls out everything is zero, and nothing was not reached", async () => {
  assert.deepEqual(await linesAfter(), [
    "connections_total 0",
    'bytes_total{direction="sent"} 0',
    'bytes_total{direction="received"} 0',
  ]);
});

Deno.test("connections and bytes are summed, what was not reached is counted by its reason", async () => {
  const failed = { kind: "failed", host: "a.test", port: 1 } as const;
  assert.deepEqual(
    await linesAfter(
      { kind: "used", connections: 1, sentBytes: 20, receivedBytes: 300 },
      { kind: "used", connections: 2, sentBytes: 1, receivedBytes: 2 },
      { kind: "asked", host: "b.test" },
      { ...failed, failure: "notPublic" },
      { ...failed, failure: "timeout" },
      { ...failed, failure: "timeout" },
    ),
    [
      "connections_total 3",
      'bytes_total{direction="sent"} 21',
      'bytes_total{direction="received"} 302',
      'unreached_total{reason="notListed"} 1',
      'unreached_total{reason="notPublic"} 1',
      'unreached_total{reason="timeout"} 2',
    ],
  );
});

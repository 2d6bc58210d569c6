import assert from "node:assert/strict";
import { metricsText } from "./metrics.ts";
import { WireUsage } from "./wire_usage.ts";

Deno.test("connections are told by state, and all of what has been", async () => {
  const usage = new WireUsage();
  const without = await metricsText(usage.metrics);
  assert.match(without, /^khachapuri_connections\{state="idle"\} 0$/m);
  assert.ok(!/^khachapuri_tls_certificate_not_after/m.test(without), "there is no certificate");
  usage.watch({ states: () => ({ idle: 3 }), accepted: 5 });
  usage.refused("network");
  usage.ended(100, 200);
  usage.handshakeFailed();
  usage.certificate(1_900_000_000);
  const text = await metricsText(usage.metrics);
  for (
    const line of [
      'khachapuri_connections{state="idle"} 3',
      "khachapuri_connections_accepted_total 5",
      'khachapuri_connections_refused_total{reason="network"} 1',
      'khachapuri_connection_bytes_total{direction="received"} 100',
      'khachapuri_connection_bytes_total{direction="sent"} 200',
      "khachapuri_tls_handshake_failures_total 1",
      "khachapuri_tls_certificate_not_after_timestamp_seconds 1900000000",
    ]
  ) assert.ok(text.includes(`\n${line}\n`), line);
});

import assert from "node:assert/strict";
import { EGRESS_CONNECT_TIMEOUT_MS } from "../../limits.ts";
import { egressPolicy } from "./egress_policy.ts";

const LIMITS = {
  hosts: ["*:*"],
  connections: 2,
  connectionsPerSecond: 3,
  bytesPerSecond: 4,
  idleSeconds: 5,
  connectTo: { "a.test:1": "127.0.0.1:2" },
};

Deno.test("a deployment that asks for no host has no way out", () => {
  assert.equal(egressPolicy([], LIMITS), null);
});

Deno.test("one that does gets what it asks for, within the provider's limits", () => {
  assert.deepEqual(egressPolicy(["a.test:1"], LIMITS), {
    hosts: ["a.test:1"],
    overrides: { "a.test:1": "127.0.0.1:2" },
    connections: 2,
    connectionsPerSecond: 3,
    bytesPerSecond: 4,
    connectMs: EGRESS_CONNECT_TIMEOUT_MS,
    idleMs: 5_000,
  });
});

import assert from "node:assert/strict";
import type { ServerState } from "../client/deployment_states.ts";
import { serverLines } from "./server_lines.ts";

const INSTANCE: ServerState["instances"][number] = {
  instance: 1,
  state: "awake",
  since: 0,
  memoryBytes: 40 * 1024 * 1024,
  requests: 12,
  inFlight: 1,
  tunnels: 0,
};

Deno.test("a server's instances are one line: how many in which state, and what they did", () => {
  const instances = [
    INSTANCE,
    { ...INSTANCE, instance: 2, tunnels: 3 },
    { ...INSTANCE, instance: 3, state: "frozen", memoryBytes: null },
  ];
  assert.deepEqual(serverLines({ instances, restarts: 2 }), [
    "  3 instances (2 awake, 1 frozen): 80 MiB, 36 requests, 3 open WebSockets, 2 restarts",
  ]);
  const single = { ...INSTANCE, memoryBytes: null, requests: 1 };
  assert.deepEqual(serverLines({ instances: [single], restarts: 0 }), [
    "  1 instance (1 awake): 1 request",
  ]);
});

Deno.test("without an instance it says so, and where nothing was told that, too", () => {
  assert.deepEqual(serverLines({ instances: [], restarts: 0 }), [
    "  a server, started by the next request",
  ]);
  assert.deepEqual(serverLines({ instances: [], restarts: 1 }), [
    "  a server, started by the next request, 1 restart",
  ]);
  assert.match(serverLines(null)[0]!, /instances are unknown/);
});

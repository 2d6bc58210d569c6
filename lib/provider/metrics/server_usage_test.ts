import assert from "node:assert/strict";
import { type Metric, metricsText } from "./metrics.ts";
import { instanceMetrics, ServerUsage, type WatchedServer } from "./server_usage.ts";

async function samplesOf(metrics: readonly Metric[]): Promise<string[]> {
  const lines = (await metricsText(metrics)).trimEnd().split("\n");
  return lines.filter((line) => !line.startsWith("#"))
    .map((line) => line.replace("khachapuri_", ""));
}

Deno.test("before an instance starts everything is zero, and none has ended", async () => {
  assert.deepEqual(await samplesOf(new ServerUsage().metrics), [
    'instance_starts_total{outcome="ready"} 0',
    'instance_starts_total{outcome="failed"} 0',
    "instance_cpu_seconds_total 0",
  ]);
  assert.deepEqual(await samplesOf(instanceMetrics(() => [])), [
    'instances{state="starting"} 0',
    'instances{state="awake"} 0',
    'instances{state="frozen"} 0',
    'instances{state="draining"} 0',
    "instance_memory_bytes 0",
    "tunnels 0",
  ]);
});

Deno.test("starts are counted by how they went, ends by why, processor time is summed", async () => {
  const usage = new ServerUsage();
  usage.started();
  usage.started();
  usage.failed(250);
  usage.failed(null);
  usage.ended("idle", 1_000);
  usage.ended("crashed", null);
  usage.ended("crashed", 500);
  assert.deepEqual(await samplesOf(usage.metrics), [
    'instance_starts_total{outcome="ready"} 2',
    'instance_starts_total{outcome="failed"} 2',
    'instance_ends_total{why="idle"} 1',
    'instance_ends_total{why="crashed"} 2',
    "instance_cpu_seconds_total 1.75",
  ]);
});

Deno.test("all servers' instances are told together, as they are when somebody asks", async () => {
  const servers: WatchedServer[] = [];
  const metrics = instanceMetrics(() => servers);
  servers.push(
    {
      instances: [
        { state: "awake", memoryBytes: 1_000, tunnels: 3 },
        { state: "frozen", memoryBytes: 500, tunnels: 0 },
      ],
    },
    { instances: [{ state: "awake", memoryBytes: null, tunnels: 1 }] },
  );
  assert.deepEqual(await samplesOf(metrics), [
    'instances{state="starting"} 0',
    'instances{state="awake"} 2',
    'instances{state="frozen"} 1',
    'instances{state="draining"} 0',
    "instance_memory_bytes 1500",
    "tunnels 4",
  ]);
});

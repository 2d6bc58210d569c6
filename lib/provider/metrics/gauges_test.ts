import assert from "node:assert/strict";
import { Distribution } from "../../distribution.ts";
import { CATALOG, factsOf, type MetricName } from "./catalog.ts";
import { createCounters, providerMetrics, type Watched } from "./gauges.ts";
import type { FleetWatched } from "./fleet_usage.ts";
import { metricsText } from "./metrics.ts";

/** A provider in which every figure is another. */
function watched(changes: Partial<Watched> = {}): Watched {
  return {
    unsettledAmount: () => 2_000n,
    exact: () => ({ sent: 21, oldestMs: 22_000, unanswered: 23 }),
    heldAmount: () => 3_000n,
    lanes: () => Promise.resolve({ outstanding: 4, refused: 5, refusedAmount: 6_000n }),
    chargedElsewhere: () => 12,
    outboxPending: () => 7,
    operator: () => ({
      oldestMs: 12_500,
      balance: 13n,
      gasPrice: 14n,
      raises: 15,
      lacksCoin: true,
    }),
    chainAgeMs: () => 8_250,
    endpoints: () => [
      { state: "up", disagreements: 12 },
      { state: "up", disagreements: 1 },
      { state: "resting", disagreements: 0 },
    ],
    headAgeMs: () => 12_500,
    views: () => ({ read: 13, advanced: 14, refused: new Map([["prefix", 15]]) }),
    sandboxes: () => ({ open: 9, most: 60, spare: 61 }),
    servers: () => [{ instances: [{ state: "awake", memoryBytes: 16, tunnels: 17 }] }],
    runsBusy: () => 10,
    ownersLow: () => 11,
    kept: () => ({ bytes: 18, roots: 19 }),
    settlement: () => ({
      mined: 24,
      failed: 25,
      lastMinedAt: 26_000,
      behindSeconds: 27,
      gasSpent: 28n,
    }),
    ledger: () => ({
      entries: 29,
      syncs: new Distribution([1]),
      archiveBytes: 4_096,
      isFailing: true,
    }),
    rpc: {
      requests: () => [{ method: "eth_call", outcome: "failed", count: 30 }],
      seconds: new Distribution([1]),
    },
    slots: () => 31,
    callsQueued: () => 32,
    callsWaiting: () => 32,
    cacheBytes: () => 33,
    denials: () => ({ owner: 34 }),
    isReady: () => true,
    alarms: () => ["one", "two"],
    machine: () => ({ diskFreeBytes: 35, diskBytes: 36, memoryAvailableBytes: 37 }),
    ...changes,
  };
}

/** Of a node that is one of several. */
const FLEET: FleetWatched = {
  database: {
    name: "books",
    ask: () => Promise.reject(new Error("it is away")),
    script: () => Promise.reject(new Error("it is away")),
    trouble: () => "it is away",
    close: () => Promise.resolve(),
  },
  nodes: () => [],
  leader: () => ({ session: null, facts: {} }),
  term: () => null,
  state: () => ({ aheadCredits: 0, aheadUsdc: 0n, seen: 0 }),
};

Deno.test("a provider that is one machine tells nothing of a fleet", () => {
  const told = providerMetrics(createCounters(), watched());
  assert.deepEqual(told.filter(({ name }) => name.includes("_fleet_")), []);
});

/** What is exposed, but for runs that have not been. */
const GAUGES = {
  khachapuri_state_disk_free_bytes: 35,
  khachapuri_state_disk_bytes: 36,
  khachapuri_memory_available_bytes: 37,
  khachapuri_unsettled_usdc_base_units: 2_000,
  khachapuri_held_usdc_base_units: 3_000,
  khachapuri_unsettled_lanes: 4,
  khachapuri_refused_lanes: 5,
  khachapuri_refused_usdc_base_units: 6_000,
  khachapuri_charged_elsewhere_credits: 12,
  khachapuri_outbox_pending: 7,
  khachapuri_outbox_oldest_seconds: 12.5,
  khachapuri_operator_balance_wei: 13,
  khachapuri_gas_price_wei: 14,
  khachapuri_operator_fee_raises_total: 15,
  khachapuri_operator_out_of_gas: 1,
  khachapuri_chain_age_seconds: 8.25,
  khachapuri_rpc_endpoints_up: 2,
  khachapuri_rpc_disagreements: 13,
  khachapuri_chain_head_age_seconds: 12.5,
  khachapuri_sandboxes_open: 9,
  khachapuri_instance_memory_bytes: 16,
  khachapuri_tunnels: 17,
  khachapuri_runs_busy: 10,
  khachapuri_owners_low: 11,
  khachapuri_kept_bytes: 18,
  khachapuri_kept_roots: 19,
  khachapuri_exact_pending: 21,
  khachapuri_exact_oldest_seconds: 22,
  khachapuri_exact_unanswered: 23,
  khachapuri_settlement_last_success_timestamp_seconds: 26,
  khachapuri_settlement_behind_seconds: 27,
  khachapuri_operator_gas_spent_wei_total: 28,
  khachapuri_ledger_entries: 29,
  khachapuri_ledger_archive_bytes: 4_096,
  khachapuri_ledger_upkeep_failing: 1,
  khachapuri_slots: 31,
  khachapuri_calls_queued: 32,
  khachapuri_calls_waiting: 32,
  khachapuri_cache_bytes: 33,
  khachapuri_rpc_endpoints: 3,
  khachapuri_ready: 1,
  khachapuri_alarms: 2,
};

/** Of the process and of a certificate that is had by itself, which other parts tell. */
const OF_PROCESS =
  /^process_|^khachapuri_(build_info|event_loop_delay_seconds|certificate_failures)/;

Deno.test("/metrics tells what the catalog lists, each once and as what it says", () => {
  const told = providerMetrics(createCounters(), watched({ fleet: FLEET }));
  const names = told.map(({ name }) => name).sort();
  const listed = Object.keys(CATALOG).filter((name) => !OF_PROCESS.test(name)).sort();
  assert.deepEqual(names, listed);
  for (const { name, type, help } of told) {
    const facts = factsOf(name as MetricName);
    assert.deepEqual([type, help], [facts.type, facts.help], name);
  }
});

Deno.test("each gauge shows its own figure, times in seconds", async () => {
  const text = await metricsText(providerMetrics(createCounters(), watched()));
  for (const [name, value] of Object.entries(GAUGES)) {
    assert.ok(text.includes(`\n${name} ${value}\n`), name);
  }
});

Deno.test("instances are told by their state", async () => {
  const text = await metricsText(providerMetrics(createCounters(), watched()));
  assert.match(text, /^khachapuri_instances\{state="awake"\} 1$/m);
  assert.match(text, /^khachapuri_instances\{state="frozen"\} 0$/m);
});

Deno.test("views are told by how they came about, refused reads by whose limit", async () => {
  const text = await metricsText(providerMetrics(createCounters(), watched()));
  assert.match(text, /^khachapuri_payer_views_total\{by="read"\} 13$/m);
  assert.match(text, /^khachapuri_payer_views_total\{by="event"\} 14$/m);
  assert.match(text, /^khachapuri_refused_reads_total\{limit="prefix"\} 15$/m);
});

Deno.test("the figures are those of the moment somebody asks", async () => {
  let busy = 0;
  const counters = createCounters();
  const metrics = providerMetrics(counters, watched({ runsBusy: () => busy }));
  busy = 3;
  counters.requests.answered(402, "call", "payment_required", 2);
  counters.runs.add({ paid_by: "caller", outcome: "released" });
  const text = await metricsText(metrics);
  assert.match(text, /^khachapuri_runs_busy 3$/m);
  assert.match(text, /^khachapuri_responses_total\{status="402"\} 1$/m);
  assert.match(text, /^khachapuri_runs_total\{paid_by="caller",outcome="released"\} 1$/m);
});

/** https://prometheus.io/docs/practices/naming/ */
Deno.test("names say unit and type as Prometheus would have it, and a line of help what they are", () => {
  const metrics = providerMetrics(createCounters(), watched({ fleet: FLEET }));
  for (const { name, help, type } of metrics) {
    assert.match(name, /^khachapuri_[a-z_]+$/);
    assert.equal(name.endsWith("_total"), type === "counter", name);
    // Backslash and newline would have to be escaped.
    assert.match(help, /^[A-Z][^\\\n]+\.$/, name);
  }
});

import assert from "node:assert/strict";
import { createCounters, providerMetrics, type Watched } from "./gauges.ts";
import { metricsText } from "./metrics.ts";

const WATCHED: Watched = {
  unsettledAmount: () => 1n,
  heldAmount: () => 2n,
  lanes: () => Promise.resolve({ outstanding: 3, refused: 4, refusedAmount: 5n }),
  outboxPending: () => 6,
  chainAgeMs: () => 7_000,
  sandboxesOpen: () => 8,
  runsBusy: () => 9,
  ownersLow: () => 10,
};

Deno.test("every gauge says what it is named for", async () => {
  const counters = createCounters();
  counters.responses.add({ status: "200" });
  counters.runs.add({ paid_by: "owner", outcome: "answered" });
  const text = await metricsText(providerMetrics(counters, WATCHED));
  const values = new Map(
    text.split("\n").filter((line) => line !== "" && !line.startsWith("#")).map((line) =>
      line.split(" ") as [string, string]
    ),
  );
  const expected: [string, string][] = [
    ['khachapuri_responses_total{status="200"}', "1"],
    ['khachapuri_runs_total{paid_by="owner",outcome="answered"}', "1"],
    ["khachapuri_unsettled_usdc_base_units", "1"],
    ["khachapuri_held_usdc_base_units", "2"],
    ["khachapuri_unsettled_lanes", "3"],
    ["khachapuri_refused_lanes", "4"],
    ["khachapuri_refused_usdc_base_units", "5"],
    ["khachapuri_outbox_pending", "6"],
    ["khachapuri_chain_age_seconds", "7"],
    ["khachapuri_sandboxes_open", "8"],
    ["khachapuri_runs_busy", "9"],
    ["khachapuri_owners_low", "10"],
  ];
  for (const [name, value] of expected) assert.equal(values.get(name), value, name);
});

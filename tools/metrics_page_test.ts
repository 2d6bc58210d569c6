import assert from "node:assert/strict";
import { CATALOG, factsOf, type MetricName } from "../lib/provider/metrics/catalog.ts";
import { formatted, METRICS_PATH, metricsPage, unitOf } from "./metrics_page.ts";

Deno.test("docs/metrics.md is what `deno task docs` writes", async () => {
  assert.equal(await Deno.readTextFile(METRICS_PATH), await formatted(metricsPage()));
});

Deno.test("every metric is named, typed and told as Prometheus has it", () => {
  for (const name of Object.keys(CATALOG) as MetricName[]) {
    const { type, help, labels = {}, bounds } = factsOf(name);
    assert.match(name, /^(khachapuri|process)(_[a-z0-9]+)+$/);
    assert.equal(name.endsWith("_total"), type === "counter", name);
    assert.match(help, /^[A-Z0-9].*[.]$/s, name);
    assert.equal(bounds !== undefined, type === "histogram", name);
    if (bounds) assert.deepEqual(bounds, [...bounds].sort((one, other) => one - other), name);
    for (const label of Object.keys(labels)) assert.match(label, /^[a-z]+(_[a-z]+)*$/, name);
  }
});

Deno.test("no label could name a payer, an owner or a deployment", () => {
  const labels = (Object.keys(CATALOG) as MetricName[])
    .flatMap((name) => Object.keys(factsOf(name).labels ?? {}));
  for (const word of ["payer", "owner", "cid", "deployment", "address", "lane", "network"]) {
    assert.ok(!labels.includes(word), word);
  }
});

Deno.test("units follow from names", () => {
  assert.equal(unitOf("khachapuri_kept_bytes"), "bytes");
  assert.equal(unitOf("khachapuri_settlement_last_success_timestamp_seconds"), "Unix seconds");
  assert.equal(unitOf("process_cpu_seconds_total"), "seconds");
  assert.equal(unitOf("khachapuri_refused_lanes"), "a number");
});

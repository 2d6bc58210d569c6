import assert from "node:assert/strict";
import { createCounter, gauge, type Metric, metricsText, type Sample } from "./metrics.ts";

/** A metric that says just this. */
function metricOf(name: string, ...samples: Sample[]): Metric {
  return { name, help: "Help.", type: "gauge", read: () => Promise.resolve(samples) };
}

/** The lines of a metric that are neither help nor type. */
async function samplesIn(...metrics: Metric[]): Promise<string[]> {
  const lines = (await metricsText(metrics)).trimEnd().split("\n");
  return lines.filter((line) => !line.startsWith("#"));
}

/** https://prometheus.io/docs/instrumenting/exposition_formats/#text-format-example */
const ESCAPED = String.raw`error="Cannot find file:\n\"FILE.TXT\""`;

Deno.test("metrics read like the example of the text format", async () => {
  const requests = createCounter("http_requests_total", "The total number of HTTP requests.");
  requests.add({ method: "post", code: "200" }, 1027);
  requests.add({ method: "post", code: "400" }, 3);
  const text = await metricsText([
    requests.metric,
    metricOf("msdos_file_access_time_seconds", {
      labels: { path: "C:\\DIR\\FILE.TXT", error: 'Cannot find file:\n"FILE.TXT"' },
      value: 1.458255915e9,
    }),
    metricOf("metric_without_timestamp_and_labels", { value: 12.47 }),
    metricOf("something_weird", { labels: { problem: "division by zero" }, value: Infinity }),
  ]);
  assert.equal(
    text,
    String.raw`# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027
http_requests_total{method="post",code="400"} 3
# HELP msdos_file_access_time_seconds Help.
# TYPE msdos_file_access_time_seconds gauge
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",${ESCAPED}} 1458255915
# HELP metric_without_timestamp_and_labels Help.
# TYPE metric_without_timestamp_and_labels gauge
metric_without_timestamp_and_labels 12.47
# HELP something_weird Help.
# TYPE something_weird gauge
something_weird{problem="division by zero"} +Inf
`,
  );
});

Deno.test("every number is written as the format spells it", async () => {
  const values = [0, -1.5, 2 ** 53, 1e21, 1e-7, NaN, Infinity, -Infinity];
  const written = await samplesIn(metricOf("n", ...values.map((value) => ({ value }))));
  const texts = ["0", "-1.5", "9007199254740992", "1e+21", "1e-7", "NaN", "+Inf", "-Inf"];
  assert.deepEqual(written, texts.map((text) => `n ${text}`));
});

Deno.test("a metric of which nothing has been counted says so by its head alone", async () => {
  const { metric } = createCounter("calls_total", "Calls.");
  assert.equal(
    await metricsText([metric]),
    "# HELP calls_total Calls.\n# TYPE calls_total counter\n",
  );
  assert.equal(await metricsText([]), "");
});

Deno.test("a counter adds by label, one at a time or as many as it is told", async () => {
  const counter = createCounter("runs_total", "Runs.");
  counter.add({ paid_by: "owner", outcome: "answered" });
  counter.add({ paid_by: "caller", outcome: "answered" });
  counter.add({ paid_by: "owner", outcome: "failed" }, 5);
  counter.add({ paid_by: "owner", outcome: "answered" }, 2.5);
  assert.deepEqual(await samplesIn(counter.metric), [
    'runs_total{paid_by="owner",outcome="answered"} 3.5',
    'runs_total{paid_by="caller",outcome="answered"} 1',
    'runs_total{paid_by="owner",outcome="failed"} 5',
  ]);
});

Deno.test("labels are written in the order they were given, and their values are not mixed up", async () => {
  const counter = createCounter("n", "N.");
  for (const [b, a] of [["x", "y"], ["y", "x"], ["xy", ""], ["", "xy"]]) {
    counter.add({ b: b!, a: a! });
  }
  assert.deepEqual(await samplesIn(counter.metric), [
    'n{b="x",a="y"} 1',
    'n{b="y",a="x"} 1',
    'n{b="xy",a=""} 1',
    'n{b="",a="xy"} 1',
  ]);
});

Deno.test("who adds often adds to the same sample as everybody", async () => {
  const counter = createCounter("bytes_total", "Bytes.");
  const sample = counter.at({ stream: "stdin" });
  assert.deepEqual(await samplesIn(counter.metric), ['bytes_total{stream="stdin"} 0']);
  sample.value += 10;
  counter.add({ stream: "stdin" }, 5);
  counter.at({ stream: "stdin" }).value += 1;
  assert.deepEqual(await samplesIn(counter.metric), ['bytes_total{stream="stdin"} 16']);
});

Deno.test("counters share nothing, whatever their labels", async () => {
  const [first, second] = [createCounter("a", "A."), createCounter("b", "B.")];
  first.add({ kind: "x" });
  second.add({ kind: "x" }, 2);
  const lines = await samplesIn(first.metric, second.metric);
  assert.deepEqual(lines, ['a{kind="x"} 1', 'b{kind="x"} 2']);
});

Deno.test("a gauge is read when somebody asks, each time anew", async () => {
  let level = 0;
  const metrics = [
    gauge("now", "Now.", () => ++level),
    gauge("soon", "Soon.", async () => {
      await Promise.resolve();
      return level;
    }),
  ];
  assert.equal(level, 0);
  assert.deepEqual(await samplesIn(...metrics), ["now 1", "soon 1"]);
  assert.deepEqual(await samplesIn(...metrics), ["now 2", "soon 2"]);
});

Deno.test("a gauge that cannot be read is no number", async () => {
  const broken = gauge("broken", "Broken.", () => Promise.reject(new Error("no ledger")));
  await assert.rejects(metricsText([gauge("fine", "Fine.", () => 1), broken]), /no ledger/);
});

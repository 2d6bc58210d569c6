import assert from "node:assert/strict";
import { createCounter, gauge, metricsText } from "./metrics.ts";

Deno.test("a counter has a line for each set of labels, from zero on", async () => {
  const runs = createCounter("runs_total", "Ended runs.");
  assert.equal(
    await metricsText([runs.metric]),
    "# HELP runs_total Ended runs.\n# TYPE runs_total counter\n",
  );
  runs.add({ outcome: "answered", paid_by: "owner" });
  runs.add({ outcome: "answered", paid_by: "owner" });
  runs.add({ outcome: "failed", paid_by: "owner" }, 3);
  assert.equal(
    await metricsText([runs.metric]),
    "# HELP runs_total Ended runs.\n# TYPE runs_total counter\n" +
      'runs_total{outcome="answered",paid_by="owner"} 2\n' +
      'runs_total{outcome="failed",paid_by="owner"} 3\n',
  );
});

Deno.test("who adds often adds to the line itself", async () => {
  const seconds = createCounter("seconds_total", "Time.");
  const wall = seconds.at({ clock: "wall" });
  wall.value += 0.25;
  seconds.add({ clock: "wall" }, 0.25);
  assert.match(await metricsText([seconds.metric]), /^seconds_total\{clock="wall"\} 0\.5$/m);
});

Deno.test("a gauge is read when it is asked for, also from afar", async () => {
  let open = 1;
  const metrics = [
    gauge("open", "Open now.", () => open),
    gauge("due", "Due now.", () => Promise.resolve(open * 2)),
  ];
  assert.match(await metricsText(metrics), /^open 1$/m);
  open = 4;
  const text = await metricsText(metrics);
  assert.match(text, /^open 4$/m);
  assert.match(text, /^due 8$/m);
  assert.match(text, /# TYPE open gauge/);
});

Deno.test("the text is Prometheus' own, whatever a label or a number holds", async () => {
  const odd = createCounter("odd_total", "Odd.");
  odd.add({ text: 'a"b\\c\nd' });
  const metrics = [
    odd.metric,
    gauge("never", "Never.", () => Infinity),
    gauge("unknown", "Unknown.", () => NaN),
  ];
  const text = await metricsText(metrics);
  assert.ok(text.includes('odd_total{text="a\\"b\\\\c\\nd"} 1\n'));
  assert.match(text, /^never \+Inf$/m);
  assert.match(text, /^unknown NaN$/m);
});

/**
 * What docs/monitoring gives whoever looks after a provider, held against what a provider tells:
 * each expression asks for metrics that there are, and Prometheus' own tool takes them all.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { CATALOG, factsOf, type MetricName } from "../lib/provider/metrics/catalog.ts";
import { startMarket } from "../worlds/market.ts";
import { makeFolder } from "../worlds/home.ts";

const DOCS = new URL("../docs/", import.meta.url).pathname;
const FOLDER = join(DOCS, "monitoring");

const NOT_RUN = "not run: promtool is not installed (Debian: prometheus)\n";
const decoder = new TextDecoder();

/** Null where there is no promtool (Debian's package prometheus). */
async function promtool(args: string[], input = "") {
  const command = new Deno.Command("promtool", {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    cwd: FOLDER,
  });
  let child: Deno.ChildProcess;
  try {
    child = command.spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    Deno.stderr.writeSync(new TextEncoder().encode(NOT_RUN));
    return null;
  }
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input)).then(() => writer.close()).catch(() => {});
  const { code, stdout, stderr } = await child.output();
  return { code, said: decoder.decode(stdout) + decoder.decode(stderr) };
}

async function assertTaken(args: string[], input = ""): Promise<void> {
  const told = await promtool(args, input);
  if (told) assert.equal(told.code, 0, told.said);
}

/** The names of metrics in an expression, histograms by the name of the whole. */
function metricsIn(expression: string): string[] {
  const names = expression.replace(/"[^"]*"/g, '""').match(/\b(?:khachapuri|process)_\w+/g) ?? [];
  return names.map((name) => {
    const whole = name.replace(/_(bucket|sum|count)$/, "");
    return Object.hasOwn(CATALOG, whole) && factsOf(whole as MetricName).type === "histogram"
      ? whole
      : name;
  });
}

function assertKnown(expression: string): void {
  const names = metricsIn(expression);
  for (const name of names) assert.ok(Object.hasOwn(CATALOG, name), `${name} in ${expression}`);
}

/** A heading's anchor, as a reader of Markdown makes it. */
function anchorOf(heading: string): string {
  return heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");
}

interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { h: number; w: number; x: number; y: number };
  targets?: { refId: string; expr: string }[];
}

Deno.test("alerts are taken by promtool, and each fires for what it is about and for nothing else", async () => {
  await assertTaken(["check", "rules", "alerts.yml"]);
  await assertTaken(["test", "rules", "alerts_test.yml"]);
  await assertTaken(["check", "config", "prometheus.yml"]);
});

Deno.test("each alert asks for metrics that there are, and leads to what to do", async () => {
  const text = await Deno.readTextFile(join(FOLDER, "alerts.yml"));
  const alerts = text.split(/^ {6}- alert: /m).slice(1);
  assert.ok(alerts.length > 20);
  const page = await Deno.readTextFile(join(DOCS, "operations.md"));
  const anchors = [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading!));
  const tried = await Deno.readTextFile(join(FOLDER, "alerts_test.yml"));
  for (const alert of alerts) {
    const [name] = alert.split("\n");
    assertKnown(alert.slice(0, alert.indexOf("annotations:")));
    assert.match(alert, /severity: (page|ticket)/, name);
    assert.match(alert, /summary: \S/, name);
    const anchor = /runbook_url: docs\/operations\.md#(\S+)$/m.exec(alert)?.[1];
    assert.ok(anchor && anchors.includes(anchor), `${name}: ${anchor}`);
    assert.ok(tried.includes(`alertname="${name}"`), `${name} is not tried`);
  }
});

Deno.test("each dashboard is one, and promtool takes each of its expressions", async () => {
  for (const name of ["grafana.json", "grafana-fleet.json"]) await assertDashboard(name);
});

async function assertDashboard(name: string): Promise<void> {
  const dashboard = JSON.parse(await Deno.readTextFile(join(FOLDER, name)));
  const { panels }: { panels: Panel[] } = dashboard;
  assert.ok(dashboard.schemaVersion >= 36 && dashboard.title && dashboard.uid);
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const taken = new Set<string>();
  const expressions: string[] = [];
  for (const { title, type, gridPos: { x, y, w, h }, targets = [] } of panels) {
    assert.ok(title && ["row", "stat", "timeseries"].includes(type));
    assert.ok(x >= 0 && w > 0 && x + w <= 24, title);
    for (let column = x; column < x + w; column++) {
      for (let line = y; line < y + h; line++) {
        const cell = `${column} ${line}`;
        assert.ok(!taken.has(cell), `${title} covers another panel`);
        taken.add(cell);
      }
    }
    assert.equal(targets.length > 0, type !== "row", title);
    assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, title);
    expressions.push(...targets.map(({ expr }) => expr));
  }
  for (const expression of expressions) {
    assert.ok(metricsIn(expression).length > 0, expression);
    assertKnown(expression);
  }
  const variables = dashboard.templating.list as { definition?: string }[];
  for (const { definition } of variables) if (definition) assertKnown(definition);
  const rules = expressions.map((expression, at) => ({
    record: `panel:${at}:expression`,
    expr: expression.replaceAll("$__rate_interval", "5m"),
  }));
  await using folder = await makeFolder();
  const path = join(folder.dir, "panels.yml");
  // JSON is YAML.
  await Deno.writeTextFile(path, JSON.stringify({ groups: [{ name: "panels", rules }] }));
  await assertTaken(["check", "rules", path]);
}

Deno.test("a provider that serves tells what the catalog lists, and promtool takes it", async () => {
  await using market = await startMarket();
  const cid = await market.deploy({ files: { main: "#!/bin/sh\necho hello\n" } });
  assert.equal((await (await market.call(cid)).text()).trim(), "hello");
  await (await fetch(`${market.provider.url}/bafynope`)).body?.cancel();
  const response = await fetch(`${market.provider.url}/metrics`);
  assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  const text = await response.text();
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]);
  // Of a certificate that is had by itself, and of a fleet: this one has neither.
  const listed = Object.keys(CATALOG)
    .filter((name) => !/^khachapuri_(?:certificate_failures|fleet_\w+)$/.test(name))
    .map((name) => [name, factsOf(name as MetricName).type]);
  assert.deepEqual(types.toSorted(), listed.toSorted());
  // Each label that is used is one that the catalog tells.
  for (const [, name, labels] of text.matchAll(/^(\w+)\{(.*)\} \S+$/gm)) {
    const whole = metricsIn(name!)[0] as MetricName;
    const known = ["le", ...Object.keys(factsOf(whole).labels ?? {})];
    for (const [, label] of labels!.matchAll(/(\w+)="/g)) assert.ok(known.includes(label!), name);
  }
  const numberOf = (line: string) => Number(text.match(new RegExp(`^${line} (.*)$`, "m"))?.[1]);
  assert.equal(numberOf('khachapuri_sandbox_starts_total\\{outcome="ready"\\}'), 1);
  assert.equal(numberOf('khachapuri_refusals_total\\{code="invalid_cid"\\}'), 1);
  assert.ok(numberOf('khachapuri_content_reads_total\\{source="gateways"\\}') >= 2);
  assert.ok(numberOf("process_open_fds") > 5);
  assert.ok(numberOf("khachapuri_state_disk_free_bytes") > 0);
  assert.ok(
    numberOf('khachapuri_rpc_requests_total\\{method="eth_call",outcome="answered"\\}') > 0,
  );
  assert.ok(numberOf("khachapuri_ledger_entries") > 0);
  assert.ok(numberOf("khachapuri_ledger_sync_seconds_count") > 0);
  assert.ok(numberOf('khachapuri_connection_bytes_total\\{direction="sent"\\}') >= 0);
  assert.equal(numberOf("khachapuri_ready"), 1);
  await assertTaken(["check", "metrics"], text);
  const ready = await fetch(`${market.provider.url}/readyz`);
  assert.deepEqual([ready.status, await ready.json()], [200, { ready: true, state: "ready" }]);
});

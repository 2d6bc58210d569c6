/** `deno task docs`: writes docs/metrics.md from the catalog of metrics. */
import { fileURLToPath } from "node:url";
import { CATALOG, factsOf, type MetricName } from "../lib/provider/metrics/catalog.ts";
import { CALL_METRICS } from "../lib/provider/metrics/catalog_of_calls.ts";
import { FLEET_METRICS } from "../lib/provider/metrics/catalog_of_fleet.ts";
import { MACHINE_METRICS } from "../lib/provider/metrics/catalog_of_machine.ts";
import { MONEY_METRICS } from "../lib/provider/metrics/catalog_of_money.ts";

export const METRICS_PATH = fileURLToPath(new URL("../docs/metrics.md", import.meta.url));

const CHAPTERS: readonly (readonly [title: string, metrics: object])[] = [
  ["Money and the chain", MONEY_METRICS],
  ["Calls, programs and content", CALL_METRICS],
  ["Process, machine and connections", MACHINE_METRICS],
  ["A node of a fleet", FLEET_METRICS],
];

/** What a metric's number counts, by the unit that its name has (base units of Prometheus). */
const UNITS: readonly (readonly [end: RegExp, unit: string])[] = [
  [/_timestamp_seconds$|^process_start_time_seconds$/, "Unix seconds"],
  [/_seconds(_total)?$/, "seconds"],
  [/_bytes(_total)?$/, "bytes"],
  [/_usdc_base_units$/, "USDC base units (10^-6 USDC)"],
  [/_wei(_total)?$/, "wei"],
  [/_credits(_total)?$/, "credits"],
];

export function unitOf(name: string): string {
  return UNITS.find(([end]) => end.test(name))?.[1] ?? "a number";
}

/** One metric, as a list item. */
function itemOf(name: MetricName): string {
  const { type, help, labels = {}, advice } = factsOf(name);
  const told = Object.entries(labels).map(([label, words]) => `  - \`${label}\`: ${words}`);
  return [
    `- **\`${name}\`** (${type}, ${unitOf(name)})`,
    "",
    `  ${help}${advice === undefined ? "" : ` _${advice}_`}`,
    ...(told.length === 0 ? [] : ["", ...told]),
  ].join("\n");
}

/** The page, before `deno fmt` wraps its lines. */
export function metricsPage(): string {
  const chapters = CHAPTERS.map(([title, metrics]) => {
    const items = Object.keys(metrics).map((name) => itemOf(name as MetricName));
    return `## ${title}\n\n${items.join("\n\n")}\n`;
  });
  return `# Metrics

Written by \`deno task docs\` from \`lib/provider/metrics/catalog.ts\`; don't edit.

\`GET /metrics\` tells these ${Object.keys(CATALOG).length} in Prometheus' text format, to whom
[operations.md](operations.md#who-may-read-metrics) says. No label names a payer, an owner or a
deployment, or has words that strangers choose. Counters begin at zero with the process. What stands
in italics is what to do.

${chapters.join("\n")}`;
}

/** As \`deno fmt\` writes it. */
export async function formatted(text: string): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", "--ext=md", "-"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  return new TextDecoder().decode((await child.output()).stdout);
}

if (import.meta.main) await Deno.writeTextFile(METRICS_PATH, await formatted(metricsPage()));

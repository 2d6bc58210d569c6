/**
 * How the cost of a provider grows with its work: each curve with the power of n that it follows,
 * and the bounds that the provider is held to. `deno task bench growth [--only=PART,PART] [--json]`
 * takes at most a quarter of an hour; what there was no time for is told as missed.
 */
import { type Curve, exponent, type Point } from "./exponent.ts";
import { measureConcurrency } from "./growth_concurrency.ts";
import { measureDeployments } from "./growth_deployments.ts";
import { measureEntries } from "./growth_entries.ts";
import { measureFairness } from "./growth_fairness.ts";
import { measureHot } from "./growth_hot.ts";
import { measureKeyed } from "./growth_keyed.ts";
import { measureLanes } from "./growth_lanes.ts";
import { measureMoney } from "./growth_money_short.ts";
import { measureSizes, measureSlowReader } from "./growth_sizes.ts";
import { measureStorms } from "./growth_storms.ts";
import { Budget, type Growth, type GrowthWorld, openGrowthWorld } from "./growth_world.ts";
import { printReport, type Report, type Row } from "./report.ts";

interface Part {
  readonly seconds: number;
  measure(world: GrowthWorld, budget: Budget): Promise<Growth>;
}

/** In this order: what is most disturbed by others first. Their seconds are at most 15 minutes. */
const PARTS: Readonly<Record<string, Part>> = {
  hot: { seconds: 60, measure: measureHot },
  concurrency: { seconds: 70, measure: measureConcurrency },
  fairness: { seconds: 75, measure: measureFairness },
  sizes: { seconds: 60, measure: measureSizes },
  deployments: { seconds: 130, measure: measureDeployments },
  storms: { seconds: 60, measure: measureStorms },
  keyed: { seconds: 60, measure: measureKeyed },
  money: { seconds: 60, measure: measureMoney },
  lanes: { seconds: 45, measure: measureLanes },
  entries: { seconds: 240, measure: measureEntries },
};
/** Runs beside the last ones, whose figures it does not change. */
const SLOW = "slow";
const BESIDE = "keyed";

const encoder = new TextEncoder();

async function run(): Promise<Growth[]> {
  const only = Deno.args.find((arg) => arg.startsWith("--only="))?.slice("--only=".length);
  const names = only?.split(",") ?? [...Object.keys(PARTS), SLOW];
  const unknown = names.filter((name) => !(name in PARTS) && name !== SLOW);
  if (unknown.length > 0) throw new Error(`no part ${unknown}: ${Object.keys(PARTS)}, ${SLOW}`);
  await using world = await openGrowthWorld();
  const found: Growth[] = [];
  let slow: Promise<Growth> | null = null;
  for (const [name, { seconds, measure }] of Object.entries(PARTS)) {
    if (name === BESIDE && names.includes(SLOW)) slow = measureSlowReader(world);
    if (!names.includes(name)) continue;
    const begunAt = performance.now();
    found.push(await measure(world, new Budget(seconds)));
    const took = Math.round((performance.now() - begunAt) / 1_000);
    Deno.stderr.writeSync(encoder.encode(`${name}: ${took} s\n`));
  }
  if (slow) found.push(await slow);
  return found;
}

const NAMES: readonly [number, string][] = [[1e6, "M"], [1e3, "k"]];

/** 1,000 as "1k": points stand in one line. */
function sizeText(n: number): string {
  const [unit, name] = NAMES.find(([unit]) => n >= unit && n % (unit / 1_000) === 0) ?? [1, ""];
  return `${n / unit}${name}`;
}

function valueText(value: number): string {
  if (!Number.isFinite(value)) return "-";
  if (Number.isInteger(value) || Math.abs(value) >= 100) return Math.round(value).toString();
  return value.toPrecision(3);
}

/** A row of a curve for people, its points beside each other; one of each point for machines. */
function rowsOf({ curve, what, unit, points }: Curve, isJson: boolean): Row[] {
  const power = exponent(points.filter(([, value]) => Number.isFinite(value)));
  const named = { curve, what, unit };
  const grows = Number.isNaN(power) ? {} : { exponent: Math.round(100 * power) / 100 };
  if (!isJson) {
    const text = points.map(([n, value]) => `${sizeText(n)}: ${valueText(value)}`).join("  ");
    return [{ ...named, ...grows, "n: value": text }];
  }
  // JSON has no infinity.
  const row = ([n, value]: Point): Row => ({
    ...named,
    n,
    ...(Number.isFinite(value) ? { value } : {}),
  });
  return [...points.map(row), ...(Number.isNaN(power) ? [] : [{ ...named, ...grows }])];
}

function reportOf(found: readonly Growth[]): Report {
  const isJson = Deno.args.includes("--json");
  return {
    rows: found.flatMap(({ curves }) => curves).flatMap((curve) => rowsOf(curve, isJson)),
    must: found.flatMap(({ must }) => must),
  };
}

printReport(reportOf(await run()));
